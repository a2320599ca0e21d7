/** Labels of a long axis: tokens where each has room, else their numbers. No document here. */

import { cellsIn } from "../geometry.js";

export const LABEL_EVERY = 14; // pixels a label needs across its reading direction
export const LETTER_EVERY = 9; // and a single letter in a smaller face

/**
 * @param {[number, number]} range in view; labels reach as far on both sides, so that panning uncovers them
 * @param {number} count of the axis
 * @param {number} pixels that the range takes
 * @param {number} each pixels a number needs
 * @param {number} [least] pixels a label needs
 * @returns {{step: number, list: number[]}} step 1: every token has room for its label
 */
export function ticksOf([low, high], count, pixels, each, least = LABEL_EVERY) {
  const length = high - low;
  const step = pixels / length >= least ? 1 : roundStep((each * length) / pixels);
  const [start, stop] = cellsIn([low - length / 2, high + length / 2], count);
  const list = [];
  for (let index = Math.ceil(start / step) * step; index < stop; index += step) list.push(index);
  return { step, list };
}

/** The next of 1, 2, 5, 10, 20, ... @param {number} least */
export function roundStep(least) {
  const power = 10 ** Math.floor(Math.log10(Math.max(least, 1)));
  return [1, 2, 5].map((factor) => factor * power).find((step) => step >= least * (1 - 1e-9)) ?? 10 * power;
}
