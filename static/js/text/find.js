/** Finds tokens by number and by what they say, across tokens too. No document here. */

import { SPACE } from "./words.js";

/** @typedef {import("../types.js").Axis} Axis */
/** @typedef {{text: string, tokens: Int32Array}} Reading the text in small letters; the token of each character */
/** @typedef {{first: number, last: number}} Match tokens, both ends in */

const BYTE = /^<0x([0-9A-F]{2})>$/;
/** @type {Record<string, string>} */
const SIGNS = { "␣": " ", "⏎": "\n", "⇥": "\t" };

/** @type {WeakMap<Axis, string[]>} */
const pieces = new WeakMap();
/** @type {WeakMap<Axis, Reading>} */
const readings = new WeakMap();

/** What a token says inside a text. @param {string} label @param {boolean} special @param {boolean} marked */
function spoken(label, special, marked) {
  if (special) return label;
  if (label in SIGNS) return SIGNS[label];
  if (label.startsWith("##") && label.length > 2) return label.slice(2);
  return (marked ? " " : "") + label.replaceAll(SPACE, " ");
}

/** @param {Axis} axis @returns {string[]} what each token says; bytes of one character say it at the first of them */
export function piecesOf(axis) {
  const known = pieces.get(axis);
  if (known) return known;
  const { labels, special } = axis;
  const marked = labels.some((label) => label.startsWith("##")); // then words stand apart without a sign of it
  /** @type {string[]} */
  const list = [];
  while (list.length < labels.length) {
    const index = list.length;
    const bytes = [];
    for (let at = index; !special[at]; at++) {
      const byte = BYTE.exec(labels[at] ?? "");
      if (!byte) break;
      bytes.push(parseInt(byte[1], 16));
    }
    if (!bytes.length) list.push(spoken(labels[index], special[index], marked));
    const run = new Array(bytes.length).fill("");
    let at = 0;
    for (const sign of new TextDecoder().decode(Uint8Array.from(bytes))) {
      if (at < run.length) run[at] = sign;
      at += sign === "\ufffd" ? 1 : new TextEncoder().encode(sign).length;
    }
    list.push(...run);
  }
  pieces.set(axis, list);
  return list;
}

/** @param {Axis} axis @returns {Reading} */
export function readingOf(axis) {
  const known = readings.get(axis);
  if (known) return known;
  const list = piecesOf(axis).map((piece) => piece.toLowerCase());
  const tokens = new Int32Array(list.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  list.forEach((piece, token) => {
    tokens.fill(token, at, at + piece.length);
    at += piece.length;
  });
  const reading = { text: list.join(""), tokens };
  readings.set(axis, reading);
  return reading;
}

/**
 * @param {Axis} axis
 * @param {string} query a number is an index where there is such a token; in quotation marks it is text
 * @returns {Match[]} in reading order
 */
export function search(axis, query) {
  const asked = query.trim();
  if (/^\d{1,9}$/.test(asked) && Number(asked) < axis.labels.length)
    return [{ first: Number(asked), last: Number(asked) }];
  const quoted = /^"(.+)"$/.exec(asked);
  const text = (quoted ? quoted[1] : asked).toLowerCase();
  if (!text) return [];
  const reading = readingOf(axis);
  const list = [];
  for (let at = reading.text.indexOf(text); at >= 0; at = reading.text.indexOf(text, at + text.length))
    list.push({ first: reading.tokens[at], last: reading.tokens[at + text.length - 1] });
  return list;
}

/** The match to go to first: at or after a token, around the end. @param {Match[]} matches @param {number} token */
export function nextAfter(matches, token) {
  return Math.max(
    matches.findIndex(({ first }) => first >= token),
    0,
  );
}
