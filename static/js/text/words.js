/**
 * From tokens to the words that people read, and how much attention words give each other.
 *
 * The rules, of which this file is the reference for what is shown; model/words.py has the same, and
 * tests/data/words.json holds both to them:
 *
 * 1. A text is cut into words before any token is looked at: each character of Han, Hiragana or Katakana is one; so is
 *    each run of letters, digits and combining marks of other scripts, with apostrophes between letters inside it
 *    ("Geht's"); so is each other character that is no white space. What stands between two words belongs to neither.
 * 2. A token belongs to the word in which its span begins, both in code points of the text; one whose span begins between
 *    two words belongs to the word after. A token whose span reaches into further words makes them one word with that
 *    ("[MASK]", or two characters of Chinese). Words that no token lies in are shown and give and get nothing.
 * 3. A special token with an empty span is a word of its own, in its place among the tokens.
 * 4. Where no text is known, labels are put together instead: with "##" (WordPiece) where a label begins with it, else,
 *    where any label begins with "▁" (SentencePiece), wherever one does not; without either mark each token stands alone.
 *    A special token neither continues a word nor is continued. What is put together is cut as in 1.
 * 5. A word gives another the mean over its own tokens of the sum over the other's tokens.
 */

/** @typedef {import("../types.js").Axis} Axis */
/** @typedef {import("../types.js").HeadMap} HeadMap */
/**
 * @typedef {object} Word
 * @property {string} text
 * @property {string} before the blank between it and the word before it
 * @property {number[]} tokens
 * @property {boolean} special
 * @property {number} start in the text, in code points
 * @property {number} stop
 */

// One character of a script that writes no spaces; or a run of letters and digits, with its inner apostrophes; or a sign.
const UNSPACED = "[\\p{Script=Han}\\p{Script=Hiragana}\\p{Script=Katakana}]";
const WORD = new RegExp(`${UNSPACED}|(?:(?!${UNSPACED})[\\p{L}\\p{N}\\p{M}])+(?:['’][\\p{L}\\p{M}]+)*|[^\\s]`, "gu");

export const SPACE = "▁";
const CONTINUES = "##"; // WordPiece's mark of a continuation
const CONTINUED = "@@"; // and that of a word that goes on

/** The words of a text, before any token lies in them. @param {string} text */
function split(text) {
  /** @type {number[]} */
  const points = []; // UTF-16 index -> code point index, because spans count code points
  let count = 0;
  for (const character of text) {
    for (let unit = 0; unit < character.length; unit++) points.push(count);
    count += 1;
  }
  points.push(count);
  let last = 0;
  return [...text.matchAll(WORD)].map((match) => {
    const [start, stop] = [match.index, match.index + match[0].length];
    const before = text.slice(last, start);
    last = stop;
    /** @type {Word} */
    const word = { text: match[0], before, tokens: [], special: false, start: points[start], stop: points[stop] };
    return word;
  });
}

/**
 * The words of a text, each with the tokens that lie in it; special tokens become words of their own, in their place.
 *
 * @param {string} text whose characters the axis's spans count, in code points
 * @param {Axis} axis
 * @param {number[]} [tokens] those of the axis that are of this text; all of them where left out
 * @returns {Word[]} in reading order
 */
export function wordsOf(text, axis, tokens = [...axis.spans.keys()]) {
  const words = split(text);
  /** @type {[number, Word][]} special tokens, and the word that each stands before */
  const marks = [];
  let at = -1;
  for (const token of tokens) {
    const [start, stop] = axis.spans[token];
    if (axis.special[token] && start >= stop) {
      const word = { text: axis.labels[token], before: " ", tokens: [token], special: true, start, stop };
      marks.push([at + 1, word]);
      continue;
    }
    at = Math.max(at, 0);
    while (at < words.length - 1 && words[at].stop <= start) at += 1;
    const word = words[at];
    if (!word) continue;
    while (words[at + 1]?.start < stop) {
      // A token over several words makes them one: "[MASK]", or two characters of Chinese.
      const [next] = words.splice(at + 1, 1);
      word.text += next.before + next.text;
      word.stop = next.stop;
    }
    word.tokens.push(token);
  }
  marks.forEach(([place, word], index) => words.splice(place + index, 0, word));
  words.forEach((word, index) => {
    if (index > 0 && words[index - 1].special) word.before ||= " ";
  });
  return words;
}

/**
 * The words of tokens whose text is not known: their labels, put together where one continues the other.
 *
 * @param {Axis} axis
 * @param {number[]} [tokens] all of the axis where left out
 */
export function wordsOfLabels(axis, tokens = [...axis.labels.keys()]) {
  const spaced = tokens.some((token) => axis.labels[token].startsWith(SPACE));
  const marked = tokens.some((token) => axis.labels[token].startsWith(CONTINUES));
  /** @type {[number, number][]} */
  const spans = [];
  let text = "";
  let length = 0; // in code points
  let apart = true; // whether what comes next is a word's beginning
  /** @param {string} part */
  const add = (part) => {
    text += part;
    length += [...part].length;
  };
  for (const token of tokens) {
    const label = axis.labels[token];
    if (axis.special[token]) {
      spans[token] = [length, length];
      apart = true;
      continue;
    }
    const goesOn = marked ? label.startsWith(CONTINUES) : spaced && !label.startsWith(SPACE);
    if ((apart || !goesOn) && text !== "") add(" ");
    apart = false;
    const plain = charactersOf(label);
    const bare = plain.trimStart();
    if (bare.length < plain.length && text !== "" && !text.endsWith(" ")) add(" ");
    const start = length;
    add(bare);
    spans[token] = [start, length];
  }
  return wordsOf(text, { ...axis, spans }, tokens).map((word) => ({ ...word, start: -1, stop: -1 }));
}

/** What a label stands for, without the marks of a continuation. @param {string} label */
function charactersOf(label) {
  let plain = label;
  if (plain.length > 2 && plain.startsWith(CONTINUES)) plain = plain.slice(2);
  if (plain.length > 2 && plain.endsWith(CONTINUED)) plain = plain.slice(0, -2);
  return plain.replaceAll(SPACE, " ");
}

/**
 * How far tokens are of this text: the share of them that say what stands in it at their spans.
 *
 * @param {string} text
 * @param {Axis} axis
 * @param {number[]} [tokens] all of the axis where left out
 * @returns {number} 0..1
 */
export function shareOf(text, axis, tokens = [...axis.labels.keys()]) {
  const points = [...text];
  /** @param {string} part */
  const bare = (part) =>
    part
      .normalize("NFKC")
      .toLowerCase()
      .replace(/[\s▁]|^##|@@$/gu, "");
  const spoken = tokens.filter((token) => !axis.special[token] && axis.spans[token][1] > axis.spans[token][0]);
  const there = spoken.filter((token) => {
    const label = bare(axis.labels[token]);
    const part = bare(points.slice(...axis.spans[token]).join(""));
    return part !== "" && (part.includes(label) || label.includes(part) || label.startsWith("<0x"));
  });
  return spoken.length === 0 ? 1 : there.length / spoken.length;
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

/** Whether most of a word's tokens are among those from one on: a break before a word is a token of it. @param {number[]} tokens @param {number} made */
export const isMade = (tokens, made) => 2 * tokens.filter((token) => token >= made).length > tokens.length;

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
  if (label.length > 2 && label.startsWith(CONTINUES)) return `·${label.slice(2)}`;
  if (label.length > 2 && label.endsWith(CONTINUED)) return `${label.slice(0, -2)}·`;
  const continues = index > 0 && /^[\p{L}\p{N}\p{M}]/u.test(label) && marksWords(axis) && !axis.boxes?.[index];
  return continues ? `·${label}` : label;
}

/** @type {WeakMap<Axis, boolean>} */
const marking = new WeakMap();

/** Whether the vocabulary marks where words begin at all; characters and bytes do not. @param {Axis} axis */
function marksWords(axis) {
  const known = marking.get(axis) ?? axis.labels.some((label) => label.startsWith(SPACE));
  marking.set(axis, known);
  return known;
}
