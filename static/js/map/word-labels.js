/** Labels of an axis whose tokens are letters or bytes: words, where single letters have too little room. */

import { label, wideAs } from "../text/labels.js";

/** @typedef {import("../types.js").Axis} Axis */
/** @typedef {{at: number, text: string}} WordLabel its middle on the axis, in cells */

const LETTERS = 0.8; // of the labels: then they are letters, and the rest are signs among them
const LONGEST = 10; // characters
const SPOKEN = /^[\p{L}\p{N}\p{M}\p{P}]$/u;

/** @type {WeakMap<Axis, WordLabel[] | null>} */
const known = new WeakMap();

/** @param {Axis} axis @returns {WordLabel[] | null} in their order; null where tokens are no letters */
export function wordLabels(axis) {
  let words = known.get(axis);
  if (words === undefined) known.set(axis, (words = made(axis)));
  return words;
}

/** @param {Axis} axis @returns {WordLabel[] | null} */
function made(axis) {
  const letters = axis.labels.map((_, index) => label(axis, index));
  const single = letters.filter((text) => wideAs(text) === 1).length;
  if (axis.kind !== "text" || single < LETTERS * letters.length) return null;
  /** @type {WordLabel[]} */
  const words = [];
  for (let start = 0; start < letters.length; start++) {
    let stop = start;
    while (stop < letters.length && !axis.special[stop] && SPOKEN.test(letters[stop])) stop += 1;
    if (stop === start) continue;
    const characters = letters.slice(start, stop);
    const cut = characters.length > LONGEST;
    words.push({
      at: (start + stop - 1) / 2,
      text: cut ? `${characters.slice(0, LONGEST - 1).join("")}…` : characters.join(""),
    });
    start = stop;
  }
  return words;
}

/**
 * As many words in their order as have room.
 *
 * @param {WordLabel[]} words
 * @param {[number, number]} range in view
 * @param {number} pixels that the range takes
 * @param {number} each pixels that a label needs
 */
export function fitting(words, [low, high], pixels, each) {
  let last = -Infinity;
  return words.filter(({ at }) => {
    const place = ((at - low) / (high - low)) * pixels;
    if (at < low || at > high || place - last < each) return false;
    last = place;
    return true;
  });
}
