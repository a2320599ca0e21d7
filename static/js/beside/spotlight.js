/** How much attention goes where, for what a reader points at. No document here. */

import { rowOf } from "../map/cells.js";

/** @typedef {import("../types.js").Axis} Axis */
/** @typedef {import("../types.js").Box} Box */
/** @typedef {import("../types.js").HeadMap} HeadMap */
/** @typedef {import("../types.js").Place} Place */

/** What each key gets from some queries, their mean. @param {HeadMap} map @param {number[]} rows */
export function fromQueries(map, rows) {
  const light = new Float32Array(map.cols);
  for (const row of rows) rowOf(map, row).forEach((weight, col) => (light[col] += weight / rows.length));
  return light;
}

/** What each query gives to some keys, their sum. @param {HeadMap} map @param {number[]} cols */
export function ontoKeys(map, cols) {
  const light = new Float32Array(map.rows);
  for (let row = 0; row < map.rows; row++) for (const col of cols) light[row] += map.weights[row * map.cols + col];
  return light;
}

/** @typedef {{side: "keys" | "queries", light: Float32Array}} Lit of each key, or of each query */
/**
 * @typedef {object} Light what is shown of a picture or recording
 * @property {Float32Array | null} light of each entry of the axis; null: nothing is asked of it
 * @property {number} most the light that shows an entry whole
 * @property {number[]} marked entries to point out
 * @property {import("../types.js").Scale} scale
 */

/** @type {Light} */
export const UNLIT = { light: null, most: 0, marked: [], scale: "linear" };

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
 * @param {import("../types.js").Scale} scale
 * @returns {number} 0..1
 */
export function brightness(light, most, scale) {
  const share = most > 0 ? Math.min(light / most, 1) : 0;
  if (scale === "linear") return share;
  return share > 0 ? Math.max(0, 1 + Math.log10(share) / DECADES) : 0;
}

/**
 * The largest of some lights, and their sum.
 *
 * @param {Float32Array} light
 * @param {(index: number) => boolean} among which of them count
 */
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
 * @param {number} x
 * @param {number} y
 * @returns {number} -1 where there is none
 */
export function patchAt(boxes, x, y) {
  let best = -1;
  let area = Infinity;
  boxes.forEach((box, index) => {
    if (!box || x < box[0] || x >= box[2] || y < box[1] || y >= box[3]) return;
    const size = (box[2] - box[0]) * (box[3] - box[1]);
    if (size < area) [best, area] = [index, size];
  });
  return best;
}

/**
 * The patch next to another; itself at the edge.
 *
 * @param {(Box | null)[]} boxes
 * @param {number} index
 * @param {number} right by -1, 0 or 1
 * @param {number} down
 */
export function patchBeside(boxes, index, right, down) {
  const box = boxes[index];
  if (!box) return boxes.findIndex(Boolean);
  const [width, height] = [box[2] - box[0], box[3] - box[1]];
  const next = patchAt(boxes, (box[0] + box[2]) / 2 + right * width, (box[1] + box[3]) / 2 + down * height);
  return next < 0 ? index : next;
}

/** The frame at a moment; -1 outside all of them. @param {[number, number][]} seconds @param {number} moment */
export function frameAt(seconds, moment) {
  return seconds.findIndex(([start, stop]) => moment >= start && moment < stop);
}
