/** A map's cells in blocks, each as one code: tiles and small pictures, a row of cells after the other. */

import { blocksOnGpu } from "./gpu_blocks.js";

/** @typedef {import("./glance.js").Maps} Maps */
/** @typedef {import("../types.js").Range} Range */
/** @typedef {import("../types.js").Reduction} Reduction */
/** @typedef {() => Promise<void> | void} Turn called between two steps, so that others have theirs */

/**
 * Each block by its largest weight, of a measure by the value farthest from 0, or by the mean of what is not masked; 0 where
 * every cell is masked.
 *
 * @param {Maps} maps
 * @param {number} head
 * @param {Range[]} bands of rows, one after the other
 * @param {Range[]} stretches of columns, from the left
 * @param {Reduction} how
 * @param {Turn} turn
 * @returns {Promise<Uint8Array<ArrayBuffer>>} codes, row-major
 */
export async function blocksOf(maps, head, bands, stretches, how, turn) {
  const width = stretches.length;
  const codes = new Uint8Array(bands.length * width);
  /** @param {number} sum @param {number} count */
  const codeOf = (sum, count) => (count ? maps.encode(how === "mean" ? sum / count : sum) : 0);
  const made = await blocksOnGpu(maps, head, bands, stretches, how, turn);
  if (made) return codes.map((_, at) => codeOf(made.sums[at], made.counts[at]));
  /** @type {Range} */
  const cols = [stretches[0][0], stretches[width - 1][1]];
  for (const [y, [top, bottom]] of bands.entries()) {
    const before = bands[y - 1];
    if (before && before[0] === top && before[1] === bottom) {
      codes.copyWithin(y * width, (y - 1) * width, y * width); // a short map enlarged: the same cells again
      continue;
    }
    const sums = new Float64Array(width);
    const counts = new Uint32Array(width);
    for (let row = top; row < bottom; row++) {
      addRow(maps, row, maps.window(head, [row, row + 1], cols), cols[0], stretches, how, sums, counts);
      await turn();
    }
    for (let x = 0; x < width; x++) codes[y * width + x] = codeOf(sums[x], counts[x]);
  }
  return codes;
}

/**
 * @param {Maps} maps
 * @param {number} row
 * @param {Float32Array} weights from column `start` on
 * @param {number} start
 * @param {Range[]} stretches
 * @param {Reduction} how
 * @param {Float64Array} sums of each block so far; with "max", the farthest from 0
 * @param {Uint32Array} counts of its visible cells
 */
function addRow(maps, row, weights, start, stretches, how, sums, counts) {
  for (let x = 0; x < stretches.length; x++) {
    const [left, right] = stretches[x];
    for (let col = left; col < right; col++) {
      if (!maps.sees(row, col)) continue;
      const weight = weights[col - start];
      if (how === "mean") sums[x] += weight;
      else if (!counts[x] || Math.abs(weight) > Math.abs(sums[x])) sums[x] = weight;
      counts[x] += 1;
    }
  }
}
