/** A sentence with its words in another order, and which token became which. No document here. */

import { shuffled } from "./numbers.js";

/** @typedef {import("../types.js").Axis} Axis */
/** @typedef {{start: number, stop: number}} Range half open, in code points */

const WORD = /[\p{L}\p{N}\p{M}]+(?:['’-][\p{L}\p{M}]+)*/gu;

/**
 * Words trade places; blanks and signs stay where they are.
 *
 * @param {string} text
 * @param {() => number} draw
 * @returns {{text: string, from: Range[], to: Range[]}} each word's place before and after, in the order before
 */
export function shuffleWords(text, draw) {
  const words = [...text.matchAll(WORD)];
  const order = shuffled(draw, words.length);
  const points = (/** @type {string} */ part) => [...part].length;
  const from = words.map((match) => ({ start: points(text.slice(0, match.index)), stop: points(text.slice(0, match.index + match[0].length)) }));
  /** @type {Range[]} */
  const to = new Array(words.length);
  let made = "";
  let last = 0;
  for (const [at, match] of words.entries()) {
    const word = words[order[at]][0];
    made += text.slice(last, match.index);
    to[order[at]] = { start: points(made), stop: points(made + word) };
    made += word;
    last = match.index + match[0].length;
  }
  return { text: made + text.slice(last), from, to };
}

/**
 * The token of the shuffled sentence for each of the sentence.
 *
 * @param {Axis} before
 * @param {Axis} after
 * @param {Range[]} from
 * @param {Range[]} to
 * @returns {number[] | null} null where words were cut into other tokens than before
 */
export function follow(before, after, from, to) {
  const inside = (/** @type {Axis} */ axis, /** @type {Range} */ { start, stop }) =>
    axis.spans.map((_, at) => at).filter((at) => axis.spans[at][0] >= start && axis.spans[at][0] < stop && axis.spans[at][1] > axis.spans[at][0]);
  /** @type {number[]} */
  const map = new Array(before.ids.length).fill(-1);
  const taken = new Set();
  for (const [word, range] of from.entries()) {
    const [old, now] = [inside(before, range), inside(after, to[word])];
    if (old.length !== now.length || old.some((token, at) => before.ids[token] !== after.ids[now[at]])) return null;
    for (const [at, token] of old.entries()) {
      map[token] = now[at];
      taken.add(now[at]);
    }
  }
  const rest = after.ids.map((_, at) => at).filter((at) => !taken.has(at)); // signs, which kept their order
  const left = map.map((_, at) => at).filter((at) => map[at] < 0);
  if (left.length !== rest.length || left.some((token, at) => before.ids[token] !== after.ids[rest[at]])) return null;
  for (const [at, token] of left.entries()) map[token] = rest[at];
  return map;
}
