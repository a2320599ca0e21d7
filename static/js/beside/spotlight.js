/** How much attention goes where, for what a reader points at. No document here. */

import { rowOf } from "../map/cells.js";

/** @typedef {import("../types.js").Axis} Axis */
/** @typedef {import("../types.js").Box} Box */
/** @typedef {import("../types.js").HeadMap} HeadMap */
/** @typedef {import("../types.js").Place} Place */

/** @returns {Float32Array} what each key gets from some queries, their mean */
export function fromQueries(map, rows) {
  const light = new Float32Array(map.cols);
  for (const row of rows) rowOf(map, row).forEach((weight, col) => (light[col] += weight / rows.length));
  return light;
}

/** @returns {Float32Array} what each query gives to some keys, their sum */
export function ontoKeys(map, cols) {
  const light = new Float32Array(map.rows);
  for (let row = 0; row < map.rows; row++) for (const col of cols) light[row] += map.weights[row * map.cols + col];
  return light;
}

/** @typedef {{side: "keys" | "queries", light: Float32Array}} Lit of each key, or of each query */

/**
 * What is lit where something is pointed at: the keys of its queries, else the queries of its keys.
 *
 * @param {HeadMap} map
 * @param {Place} place
 * @returns {Lit}
 */
export function lit(map, { rows, cols }) {
  if (rows?.length) return { side: "keys", light: fromQueries(map, rows) };
  return { side: "queries", light: ontoKeys(map, cols ?? []) };
}

const DECADES = 2; // on the logarithmic scale a hundredth of the strongest is dark

/**
 * How bright a light is shown, beside the strongest.
 *
 * @param {number} light
 * @param {number} most
 * @param {"linear" | "log"} scale
 * @returns {number} 0..1
 */
export function brightness(light, most, scale) {
  const share = most > 0 ? Math.min(light / most, 1) : 0;
  if (scale === "linear") return share;
  return share > 0 ? Math.max(0, 1 + Math.log10(share) / DECADES) : 0;
}

/** The largest of some lights, and their sum; over those that an entry of `among` lets in. */
export function total(light, among) {
  let [most, sum] = [0, 0];
  light.forEach((weight, index) => {
    if (!among(index)) return;
    most = Math.max(most, weight);
    sum += weight;
  });
  return { most, sum };
}

/**
 * The patch under a point of the picture; of several, the smallest, since crops lie upon the whole.
 *
 * @param {(Box | null)[]} boxes
 * @returns {number} -1 where there is none
 */
export function patchAt(boxes, x, y) {
  let best = -1;
  let area = Infinity;
  boxes.forEach((box, index) => {
    if (!box || x < box[0] || x >= box[2] || y < box[1] || y >= box[3]) return;
    const own = (box[2] - box[0]) * (box[3] - box[1]);
    if (own < area) [best, area] = [index, own];
  });
  return best;
}

/** The patch next to another, `right` and `down` of it by -1, 0 or 1; itself at the edge. */
export function patchBeside(boxes, index, right, down) {
  const box = boxes[index];
  if (!box) return boxes.findIndex(Boolean);
  const [width, height] = [box[2] - box[0], box[3] - box[1]];
  const found = patchAt(boxes, (box[0] + box[2]) / 2 + right * width, (box[1] + box[3]) / 2 + down * height);
  return found < 0 ? index : found;
}

/** The frame at a moment; -1 outside all of them. */
export function frameAt(seconds, moment) {
  return seconds.findIndex(([start, stop]) => moment >= start && moment < stop);
}
