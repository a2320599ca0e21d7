/** What is drawn of a comparison: a short map whole, of a long one the part in view, exact or in blocks. */

import { request } from "../../api/request.js";
import { isLong, levelsOf } from "../../map/atlas/levels.js";
import { measuresOf, possible } from "../../source/choose.js";
import { MeasuredSession } from "../../source/measured.js";
import { isMasked } from "../../source/session.js";
import { blocksOf } from "./picture.js";
import { seenIn } from "./numbers.js";

/** @typedef {import("../../source/session.js").Session} Session */
/** @typedef {import("../../types.js").Head} Head */
/** @typedef {import("../../types.js").Measure} Measure */
/** @typedef {import("../../types.js").Range} Range */
/** @typedef {import("../../types.js").Site} Site */
/** @typedef {import("./numbers.js").Match} Match */
/** @typedef {import("./picture.js").Sheet} Sheet */

const SIDE = 256; // blocks a side of a tile, and the most of a sheet that is in view

/** How coarsely a part of a map is drawn. @param {Site} site @param {Range} rows @param {Range} cols */
export function levelOf(site, rows, cols) {
  const span = Math.max(rows[1] - rows[0], cols[1] - cols[0]);
  return Math.min(Math.max(0, Math.ceil(Math.log2(span / SIDE))), levelsOf(site.shape) - 1);
}

/**
 * A head's weights, or its values by the session's measure, over a part of its map.
 *
 * @param {Session} session
 * @param {string} name of the site
 * @param {Head} head
 * @param {Range} rows in view
 * @param {Range} cols
 * @param {number} level blocks of 2^level x 2^level cells, where the map is long
 * @param {AbortSignal} signal
 * @returns {Promise<Sheet>}
 */
export async function sheetOf(session, name, head, rows, cols, level, signal) {
  const site = session.site(name);
  if (!isLong(site)) {
    const map = await session.map(name, head.layer, head.head);
    return { values: seenIn(map), rows: [0, map.rows], cols: [0, map.cols], side: 1 };
  }
  if (level === 0) {
    const values = await session.source.window(name, head, rows, cols, signal);
    if (!isMasked(site)) return { values, rows, cols, side: 1 };
    const plain = session instanceof MeasuredSession ? session.base : null;
    const weights = plain ? await plain.source.window(name, head, rows, cols, signal) : values;
    // No softmax gives exactly 0 to a key that it sees.
    return { values: values.map((value, at) => (weights[at] ? value : NaN)), rows, cols, side: 1 };
  }
  const side = 2 ** level;
  const tile = SIDE * side;
  const [height, width] = site.shape;
  /** @param {Range} part @param {number} length @returns {Range} whole blocks */
  const whole = ([start, stop], length) => [Math.floor(start / side) * side, Math.min(Math.ceil(stop / side) * side, length)];
  const [tall, wide] = [whole(rows, height), whole(cols, width)];
  /** @type {[number, number][]} */
  const places = [];
  for (let row = Math.floor(tall[0] / tile); row * tile < tall[1]; row++)
    for (let col = Math.floor(wide[0] / tile); col * tile < wide[1]; col++) places.push([row, col]);
  const across = blocksOf(wide, side);
  const values = new Float32Array(blocksOf(tall, side) * across).fill(NaN);
  const tiles = await session.source.tiles({ site: name, ...head, how: "mean" }, level, places, signal);
  for (const { row, col, tile: part } of tiles) {
    const [down, right] = [row * SIDE - tall[0] / side, col * SIDE - wide[0] / side];
    part.codes?.forEach((code, at) => {
      const [y, x] = [down + Math.floor(at / part.cols), right + (at % part.cols)];
      if (y >= 0 && x >= 0 && x < across && y * across + x < values.length) values[y * across + x] = session.codes[code];
    });
  }
  return { values, rows: tall, cols: wide, side };
}

/** The measures of cells besides weights that a site's heads can be shown by. @param {Session} session @param {string} site @returns {Promise<Measure[]>} */
export async function cellMeasures(session, site) {
  const all = await measuresOf(session);
  return all.filter((measure) => measure.name !== "weights" && possible(session, measure, site));
}

/**
 * @typedef {object} Answer of the service: the second map less the first
 * @property {Match} queries
 * @property {Match} keys
 * @property {{layer: number, head: number, other: Head, divergence: number}[]} heads those that differ most first
 * @property {{rows: Range, cols: Range, level: number, values: (number | null)[][]}} [difference]
 */

/**
 * Asks the service to compare two traces that it keeps.
 *
 * @param {[string, string]} traces
 * @param {string} site
 * @param {object} more a head and the other's, and a window, where a difference is wanted
 * @param {AbortSignal} signal
 * @returns {Promise<Answer>}
 */
export async function compared(traces, site, more, signal) {
  const headers = { "Content-Type": "application/json" };
  const body = JSON.stringify({ traces, site, top: 0, ...more });
  return (await request("v1/compare", { method: "POST", headers, body, signal })).json();
}

/** The first less the second, which is the service's difference the other way round. @param {NonNullable<Answer["difference"]>} difference @returns {Sheet} */
export function sheetOfDifference({ rows, cols, level, values }) {
  const flat = Float32Array.from(values.flat(), (value) => (value === null ? NaN : -value));
  return { values: flat, rows, cols, side: 2 ** level };
}
