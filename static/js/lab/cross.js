/** The cross attention of a translation: the map of the head that aligns best. */

import { heads, weights } from "../api/routes.js";
import { label } from "../text/labels.js";
import { traceOf } from "./service.js";

/** @typedef {import("../types.js").Summary} Summary */
/**
 * @typedef {object} Crossed
 * @property {Summary} summary
 * @property {string} text of the translation
 * @property {number} layer
 * @property {number} head
 * @property {number[][]} weights
 * @property {string[]} rows tokens of the translation
 * @property {string[]} cols tokens of the source
 */

export const CROSS = "cross";

/** Rows of a flat map. @param {Float32Array} flat @param {number} rows @param {number} cols @param {number} [from] */
export const rowsOf = (flat, rows, cols, from = 0) =>
  Array.from({ length: rows }, (_, at) => Array.from(flat.subarray(from + at * cols, from + (at + 1) * cols)));

/** The tokens of an axis of a trace. @param {Summary} summary @param {string} name */
export const labelsOf = ({ axes }, name) => axes[name].labels.map((_, at) => label(axes[name], at));

/**
 * @param {string} model
 * @param {string} text
 * @param {AbortSignal} signal
 * @param {import("../types.js").Head} [place] the head; where left out, the one that aligns best
 * @returns {Promise<Crossed>}
 */
export async function crossOf(model, text, signal, place) {
  const summary = await traceOf(model, text);
  signal.throwIfAborted();
  const { layer, head } = place ?? (await heads(summary.id, signal)).best?.[CROSS] ?? { layer: 0, head: 0 };
  const [rows, cols] = summary.sites.find(({ name }) => name === CROSS)?.shape ?? [0, 0];
  const flat = await weights(summary.id, CROSS, layer, head, signal);
  const written = /** @type {import("../types.js").Written} */ (summary.prediction);
  return { summary, text: written.text ?? "", layer, head, weights: rowsOf(flat, rows, cols), rows: labelsOf(summary, "target"), cols: labelsOf(summary, "source") };
}
