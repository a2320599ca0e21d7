/** Two maps in numbers: their difference, how far rows are apart, what of one axis is what of another. No document here. */

import { masked } from "../../map/cells.js";

/** @typedef {import("../../types.js").HeadMap} HeadMap */
/** @typedef {import("../../types.js").Range} Range */
/** @typedef {{equal: [number, number, number][], substituted: [number, number, number][]}} Match as the service says it */

/** @param {Match} match @param {number} length of the first axis @returns {Int32Array} -1 where a position has no partner */
export function partnersOf({ equal, substituted }, length) {
  const partners = new Int32Array(length).fill(-1);
  for (const [start, other, count] of [...equal, ...substituted])
    for (let at = 0; at < count; at++) partners[start + at] = other + at;
  return partners;
}

/** The same the other way round. @param {Int32Array} partners @param {number} length of the second axis */
export function inverseOf(partners, length) {
  const inverse = new Int32Array(length).fill(-1);
  partners.forEach((other, at) => other >= 0 && (inverse[other] = at));
  return inverse;
}

/** Every position with itself. @param {number} length */
export const same = (length) => Int32Array.from({ length }, (_, at) => at);

/** The part of the other axis that a part of the first stands for; all of it where it stands for none. @param {Int32Array} partners @param {Range} part @param {number} length @returns {Range} */
export function partOf(partners, [start, stop], length) {
  const there = partners.subarray(start, stop).filter((other) => other >= 0);
  return there.length ? [Math.min(...there), Math.max(...there) + 1] : [0, length];
}

/** A map's weights; NaN where masked. @param {HeadMap} map @returns {Float32Array} */
export function seenIn(map) {
  const { rows, cols, weights } = map;
  const seen = new Float32Array(rows * cols);
  for (let row = 0; row < rows; row++)
    for (let col = 0; col < cols; col++) {
      const at = row * cols + col;
      seen[at] = masked(map, row, col) ? NaN : weights[at];
    }
  return seen;
}

/** The first less the second, cell by cell; NaN where the first is masked. @param {Float32Array} one @param {Float32Array} other */
export const difference = (one, other) => one.map((value, at) => value - (Number.isNaN(other[at]) ? 0 : other[at]));

/** The largest of them, whatever the sign, and where it is. @param {Float32Array} values @returns {{most: number, at: number}} */
export function farthest(values) {
  let [most, at] = [0, 0];
  values.forEach((value, place) => Math.abs(value) > most && ([most, at] = [Math.abs(value), place]));
  return { most, at };
}

/** -p log p. @param {number} p */
const entropy = (p) => (p > 0 ? -p * Math.log(p) : 0);

/**
 * The Jensen-Shannon divergence of two heads of one shape, in nats, the mean over their rows; what a row gives to no key is
 * an outcome that both have (Lin 1991, as the service takes it).
 *
 * @param {HeadMap} one
 * @param {HeadMap} other
 */
export function divergence({ weights: p, rows, cols }, { weights: q }) {
  let total = 0;
  for (let row = 0; row < rows; row++) {
    let [apart, left, right] = [0, 1, 1];
    for (let at = row * cols; at < (row + 1) * cols; at++) {
      apart += entropy((p[at] + q[at]) / 2) - (entropy(p[at]) + entropy(q[at])) / 2;
      left -= p[at];
      right -= q[at];
    }
    const [a, b] = [Math.max(left, 0), Math.max(right, 0)];
    apart += entropy((a + b) / 2) - (entropy(a) + entropy(b)) / 2;
    total += Math.max(apart, 0);
  }
  return total / rows;
}
