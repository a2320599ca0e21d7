/** Heads at a glance, from their maps: what kind of head each is, its small picture, and which to look at first. */

import { blocksOf } from "./blocks.js";

/** @typedef {import("./blocks.js").Turn} Turn */
/** @typedef {import("./evaluate.js").LayerMaps} LayerMaps */
/** @typedef {LayerMaps | import("./file_measures.js").MeasuredMaps} Maps */
/** @typedef {import("../types.js").Axis} Axis */
/** @typedef {import("../types.js").Head} Head */
/** @typedef {import("../types.js").HeadRow} HeadRow */
/** @typedef {{entropy: number, distance: number, sink: number, diagonal: number, max: number}} Statistics */

const ROWS = 1024; // of a longer map, so many rows are looked at, as the service does

/** Indices of at most so many rows, spread evenly, the first and the last among them. @param {number} length @param {number} most */
export function sampled(length, most = ROWS) {
  if (length <= most) return Array.from({ length }, (_, row) => row);
  return Array.from({ length: most }, (_, at) => Math.floor((at * (length - 1)) / (most - 1)));
}

/**
 * What kind of head it is: means over its rows.
 *
 * entropy: nats. distance: tokens between a query and the keys that it looks at. sink: weight on key 0. diagonal: weight on
 * the key at the query's own relative place. max: the row's largest weight.
 *
 * @param {LayerMaps} maps
 * @param {number} head
 * @param {Turn} turn after each row
 * @returns {Promise<Statistics>}
 */
export async function statisticsOf(maps, head, turn) {
  const { queries, keys } = maps;
  const rows = sampled(queries);
  const sums = { entropy: 0, distance: 0, sink: 0, diagonal: 0, max: 0 };
  for (const row of rows) {
    const weights = maps.window(head, [row, row + 1], [0, keys]);
    let largest = 0;
    weights.forEach((weight, key) => {
      if (weight > 0) sums.entropy -= weight * Math.log(weight);
      sums.distance += weight * Math.abs(row - key);
      largest = Math.max(largest, weight);
    });
    sums.sink += weights[0];
    sums.diagonal += weights[Math.floor((row * keys) / queries)];
    sums.max += largest;
    await turn();
  }
  for (const name of /** @type {(keyof Statistics)[]} */ (Object.keys(sums))) sums[name] /= rows.length;
  return sums;
}

/** The cells of an axis that a pixel stands for: those under it, or the one nearest to it. @param {number} pixel @param {number} length @param {number} size @returns {[number, number]} */
function under(pixel, length, size) {
  if (length <= size) {
    const nearest = Math.floor(((pixel + 0.5) * length) / size);
    return [nearest, nearest + 1];
  }
  return [Math.floor((pixel * length) / size), Math.floor(((pixel + 1) * length) / size)];
}

/**
 * A small picture of a head: a pixel is the largest weight of the cells under it.
 *
 * @param {Maps} maps
 * @param {number} head
 * @param {number} size pixels a side
 * @param {Turn} turn after each row
 * @returns {Promise<Uint8Array>} codes, row-major
 */
export function thumbnailOf(maps, head, size, turn) {
  /** @param {number} length */
  const parts = (length) => Array.from({ length: size }, (_, pixel) => under(pixel, length, size));
  return blocksOf(maps, head, parts(maps.queries), parts(maps.keys), "max", turn);
}

/**
 * How well a head reads as a word alignment, 0 to 1: sharp, on words, covering the source, in reading order; the service's
 * own rule (`model/measures/alignment.py`).
 *
 * @param {LayerMaps} maps
 * @param {number} head
 * @param {Axis} queryAxis
 * @param {Axis} keyAxis
 * @param {Turn} turn after each row
 */
export async function alignmentOf(maps, head, queryAxis, keyAxis, turn) {
  const rows = [...queryAxis.special.keys()].filter((row) => !queryAxis.special[row]);
  const cols = [...keyAxis.special.keys()].filter((col) => !keyAxis.special[col]);
  if (!rows.length || !cols.length) return 0;
  const seen = new Set();
  let [sharp, ordered] = [0, 0];
  for (const [i, row] of rows.entries()) {
    const weights = maps.window(head, [row, row + 1], [0, maps.keys]);
    let best = 0;
    for (let j = 1; j < cols.length; j++) if (weights[cols[j]] > weights[cols[best]]) best = j;
    seen.add(best);
    sharp += weights[cols[best]] / rows.length;
    const apart = Math.abs((i + 0.5) / rows.length - (best + 0.5) / cols.length);
    ordered += Math.max(0, 1 - 2 * apart) / rows.length;
    await turn();
  }
  return sharp * Math.min(1, seen.size / Math.min(rows.length, cols.length)) * ordered;
}

/** The head of the last layer that looks most sharply at neither the sink nor itself. @param {HeadRow[]} rows of one site @returns {Head} */
export function sharpest(rows) {
  const last = Math.max(...rows.map((row) => row.layer));
  /** @param {HeadRow} row */
  const sharpness = ({ max = 0, diagonal = 0, sink = 0 }) => max * (1 - diagonal) * (1 - sink);
  const [{ layer, head }] = rows.filter((row) => row.layer === last).sort((a, b) => sharpness(b) - sharpness(a));
  return { layer, head };
}
