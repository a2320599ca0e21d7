/** From tokens to the words that people read, and how much attention words give each other. */

/** @typedef {import("./types.js").Axis} Axis */
/** @typedef {import("./types.js").HeadMap} HeadMap */
/** @typedef {{text: string, before: string, tokens: number[], special: boolean}} Word */

// One character of a script that writes no spaces; or a run of letters and digits, with its inner apostrophes; or a sign.
const UNSPACED = "[\\p{Script=Han}\\p{Script=Hiragana}\\p{Script=Katakana}]";
const WORD = new RegExp(`${UNSPACED}|(?:(?!${UNSPACED})[\\p{L}\\p{N}\\p{M}])+(?:['’][\\p{L}\\p{M}]+)*|[^\\s]`, "gu");

export const SPACE = "▁";

/**
 * The words of a text, each with the tokens that lie in it; special tokens become words of their own.
 *
 * @param {string} text whose characters the axis's spans count, in code points
 * @param {Axis} axis
 * @returns {Word[]} in reading order; `before` is the blank between a word and the one before it
 */
export function wordsOf(text, axis) {
  const points = []; // UTF-16 index -> code point index, because spans count code points
  let count = 0;
  for (const character of text) {
    for (let unit = 0; unit < character.length; unit++) points.push(count);
    count += 1;
  }
  points.push(count);

  /** @type {(Word & {start: number, stop: number})[]} */
  const words = [];
  let last = 0;
  for (const match of text.matchAll(WORD)) {
    const stop = match.index + match[0].length;
    words.push({
      text: match[0],
      before: text.slice(last, match.index),
      tokens: [],
      special: false,
      start: points[match.index],
      stop: points[stop],
    });
    last = stop;
  }
  const leading = [];
  const trailing = [];
  let at = 0;
  axis.spans.forEach(([start, stop], token) => {
    if (axis.special[token] && start === stop) {
      const word = { text: axis.labels[token], before: " ", tokens: [token], special: true, start, stop };
      (words.length && start >= words[words.length - 1].stop ? trailing : leading).push(word);
      return;
    }
    while (at < words.length - 1 && words[at].stop <= start) at += 1;
    words[at]?.tokens.push(token);
  });
  return [...leading, ...words, ...trailing].map(({ text, before, tokens, special }) => ({
    text,
    before,
    tokens,
    special,
  }));
}

/**
 * The attention that a query word gives a key word: summed over the key's tokens, averaged over the query's.
 *
 * @param {HeadMap} map
 * @param {number[]} rows the query word's tokens
 * @param {number[]} cols the key word's tokens
 * @returns {number} 0..1
 */
export function mass(map, rows, cols) {
  let sum = 0;
  for (const row of rows) for (const col of cols) sum += map.weights[row * map.cols + col];
  return rows.length ? sum / rows.length : 0;
}

/**
 * A token as the axes show it: a word's beginning plain, a continuation with a mark before it.
 *
 * @param {Axis} axis
 * @param {number} index
 */
export function tokenText(axis, index) {
  const label = axis.labels[index] ?? "";
  if (axis.special[index]) return label;
  if (label === SPACE) return "␣";
  if (label.startsWith(SPACE)) return label.slice(1);
  const continues = index > 0 && /^[\p{L}\p{N}\p{M}]/u.test(label) && marksWords(axis);
  return continues ? `·${label}` : label;
}

const marked = new WeakMap();

/** Whether the vocabulary marks where words begin at all; characters and bytes do not. */
function marksWords(axis) {
  if (!marked.has(axis))
    marked.set(
      axis,
      axis.labels.some((label) => label.startsWith(SPACE)),
    );
  return marked.get(axis);
}
