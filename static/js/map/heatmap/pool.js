/** Big maps made small enough to draw: the maximum of each block, so that a single hot cell stays visible. */

import { masked } from "../cells.js";

/** @typedef {import("../../types.js").HeadMap} HeadMap */

/** Cells a side that are drawn one by one; beyond screen resolution hot cells would fall out. */
export const MOST_CELLS = 256;

/**
 * @param {[number, number]} rows half open
 * @param {[number, number]} cols
 * @returns {number} cells a side of the smallest blocks that draw a window with at most MOST_CELLS a side
 */
export function blockSize(rows, cols) {
  return Math.max(1, Math.ceil(Math.max(rows[1] - rows[0], cols[1] - cols[0]) / MOST_CELLS));
}

/**
 * A window, max-pooled over n x n blocks that are aligned to the map's origin.
 *
 * @param {HeadMap} map
 * @param {[number, number]} rows half open
 * @param {[number, number]} cols half open
 * @param {number} [n] cells a side of a block
 * @returns {{z: (number | null)[][], n: number, row: number, col: number}} null where every cell is masked; row and col:
 *   where the first block begins
 */
export function pooled(map, rows, cols, n = blockSize(rows, cols)) {
  const row = Math.floor(rows[0] / n) * n;
  const col = Math.floor(cols[0] / n) * n;
  const height = Math.ceil((rows[1] - row) / n);
  const width = Math.ceil((cols[1] - col) / n);
  /** @type {(number | null)[][]} */
  const z = Array.from({ length: height }, () => new Array(width).fill(null));
  for (let i = row; i < Math.min(row + height * n, map.rows); i++) {
    const line = z[Math.floor((i - row) / n)];
    for (let j = col; j < Math.min(col + width * n, map.cols); j++) {
      if (map.causal && j > i) break; // a causal row sees nothing further right
      if (masked(map, i, j)) continue;
      const block = Math.floor((j - col) / n);
      const weight = map.weights[i * map.cols + j];
      const farthest = line[block]; // from 0, where there is a sign
      if (farthest === null || Math.abs(weight) > Math.abs(farthest)) line[block] = weight;
    }
  }
  return { z, n, row, col };
}
