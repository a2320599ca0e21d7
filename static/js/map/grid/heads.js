/** Statistics of heads, and their order in the grid. */

import { rounded } from "../cells.js";

/** @typedef {import("../../types.js").Head} Head */
/** @typedef {import("../../types.js").HeadRow} HeadRow */
/** @typedef {import("../../types.js").MeasureName} MeasureName */

/** @type {Record<MeasureName, "low" | "high" | "far">} the measures to sort by, and which end of them is the interesting one; far: from 0 */
export const MEASURES = { entropy: "low", distance: "low", sink: "high", diagonal: "high", effect: "far" };

/** @param {import("../../types.js").Site} site @returns {Head[]} all heads, by layer, then head */
export function inPlace({ layers, heads }) {
  return Array.from({ length: layers * heads }, (_, at) => ({ layer: Math.floor(at / heads), head: at % heads }));
}

/** Whether a state's order is that of a measure. @param {string} name @returns {name is MeasureName} */
export const isMeasure = (name) => name in MEASURES;

/** A figure as it is written: effects may be tiny. @param {MeasureName} measure @param {number} value */
export const figure = (measure, value) => (measure === "effect" ? rounded(value, 2) : value.toFixed(3));

/** By layer, then head. @param {Head} a @param {Head} b */
const byPlace = (a, b) => a.layer - b.layer || a.head - b.head;

/**
 * @template {HeadRow} Row
 * @param {Row[]} rows of one site
 * @param {string} measure empty: by layer, then head
 * @returns {Row[]} a new list
 */
export function sorted(rows, measure) {
  if (!isMeasure(measure)) return [...rows].sort(byPlace);
  const sign = MEASURES[measure] === "low" ? 1 : -1;
  /** @param {Row} row */
  const value = (row) => (MEASURES[measure] === "far" ? Math.abs(row[measure] ?? 0) : (row[measure] ?? 0));
  return [...rows].sort((a, b) => sign * (value(a) - value(b)) || byPlace(a, b));
}

/**
 * The head's place, 1 first, when heads are sorted by the measure.
 *
 * @param {HeadRow[]} rows of one site
 * @param {MeasureName} measure
 * @param {number} layer
 * @param {number} head
 */
export function place(rows, measure, layer, head) {
  const order = sorted(rows, measure);
  return { place: 1 + order.findIndex((row) => row.layer === layer && row.head === head), of: order.length };
}
