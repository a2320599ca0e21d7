/** The service's HTTP contract, as functions. */

import { decodeNpy } from "./npy.js";
import { Problem, request } from "./request.js";

/** @typedef {import("../types.js").Heads} Heads */
/** @typedef {import("../types.js").Model} Model */
/** @typedef {import("../types.js").Range} Range */
/** @typedef {import("../types.js").Summary} Summary */
/** @typedef {import("../types.js").Thumbnails} Thumbnails */

/** @returns {Promise<Model[]>} */
export async function models() {
  return (await (await request("v1/models")).json()).models;
}

/** @param {string} name @param {AbortSignal} signal @returns {Promise<Model>} with what its card says */
export async function model(name, signal) {
  return (await request(`v1/models/${encodeURIComponent(name)}`, { signal })).json();
}

/**
 * @param {object} body model, inputs, parameters
 * @param {AbortSignal} [signal]
 * @returns {Promise<Summary>}
 */
export async function trace(body, signal) {
  const headers = { "Content-Type": "application/json" };
  return (await request("v1/traces", { method: "POST", headers, body: JSON.stringify(body), signal })).json();
}

/** The address of a trace, of which its parts' addresses are made. @param {string} id */
export const tracePath = (id) => `v1/traces/${encodeURIComponent(id)}`;

/** @param {string} id @param {AbortSignal} signal @returns {Promise<Summary>} of a trace that was made before */
export async function summary(id, signal) {
  return (await request(tracePath(id), { signal })).json();
}

/** @param {string} id @param {AbortSignal} signal @returns {Promise<Heads>} */
export async function heads(id, signal) {
  return (await request(`${tracePath(id)}/heads`, { signal })).json();
}

/**
 * @param {string} id
 * @param {string} site
 * @param {number} layer
 * @param {number | "all" | import("../types.js").Over} head
 * @param {AbortSignal} signal
 * @param {Range} [rows] all where left out
 * @param {Range} [cols]
 * @param {string} [measure] of cells; empty: the weights
 * @returns {Promise<Float32Array>} row-major
 */
export async function weights(id, site, layer, head, signal, rows, cols, measure) {
  const part = (rows ? `&rows=${rows.join(":")}` : "") + (cols ? `&cols=${cols.join(":")}` : "") + byMeasure(measure);
  const response = await request(`${mapPath(id, site, layer, head)}?format=npy${part}`, { signal });
  const { data } = decodeNpy(await response.arrayBuffer());
  return /** @type {Float32Array} */ (data); // the map route sends no other
}

/**
 * @param {string} id
 * @param {string} site
 * @param {number} size pixels a side at most
 * @param {AbortSignal} signal
 * @param {string} [measure] of cells; empty: the weights
 * @returns {Promise<Thumbnails>}
 */
export async function thumbnails(id, site, size, signal, measure) {
  const path = `${tracePath(id)}/thumbnails/${site}?size=${size}&format=raw${byMeasure(measure)}`;
  const response = await request(path, { signal });
  const shape = (response.headers.get("X-Tile-Shape") ?? "").match(/\d+/g)?.map(Number) ?? [];
  return { shape, codes: new Uint8Array(await response.arrayBuffer()) };
}

/** The part of an address that names a measure. @param {string} [measure] empty: the weights */
export const byMeasure = (measure) => (measure ? `&measure=${encodeURIComponent(measure)}` : "");

/** @param {string} id @param {AbortSignal} signal @returns {Promise<ArrayBuffer>} the trace as a file */
export async function traceFile(id, signal) {
  return (await request(`${tracePath(id)}/file`, { signal })).arrayBuffer();
}

/**
 * The measures that there are, and where in a trace each is defined.
 *
 * @param {string} id of the trace
 * @param {AbortSignal} signal
 * @returns {Promise<import("../types.js").Measure[]>}
 */
export async function measures(id, signal) {
  return (await (await request(`v1/measures?trace=${encodeURIComponent(id)}`, { signal })).json()).measures;
}

/**
 * What silencing each head does to a trace's objective.
 *
 * @param {string} id
 * @param {boolean} measured by a pass each, beside the estimate
 * @param {AbortSignal} signal
 * @returns {Promise<import("../types.js").Effects>}
 */
export async function headEffects(id, measured, signal) {
  const headers = { "Content-Type": "application/json" };
  const options = { method: "POST", headers, body: JSON.stringify({ edits: "heads", measured }), signal };
  return (await request(`${tracePath(id)}/effects`, options)).json();
}

/** @param {string} path @returns {Promise<Blob>} what a link cannot fetch, since it sends no key */
export async function file(path) {
  return (await request(path)).blob();
}

/**
 * The address of a head's map; representations differ by `format`.
 *
 * @param {string} id
 * @param {string} site
 * @param {number} layer
 * @param {number | "all" | import("../types.js").Over} head
 */
export function mapPath(id, site, layer, head) {
  return `${tracePath(id)}/maps/${site}/${layer}/${head}`;
}

/**
 * The words so far to what is committed of their translation.
 *
 * @param {object} body
 * @param {AbortSignal} signal
 * @returns {Promise<import("../beside/simultaneous/words.js").Answer>}
 */
export async function simultaneous(body, signal) {
  const headers = { "Content-Type": "application/json" };
  return (await request("v1/simultaneous", { method: "POST", headers, body: JSON.stringify(body), signal })).json();
}

/**
 * @typedef {object} Aligned the words of a pair, and which are each other's
 * @property {string} pharaoh "0-0 1-2": places from 0, the source's first
 * @property {string[]} source
 * @property {string[]} target
 * @property {number[]} scores of the links, in their order
 * @property {number | "mean"} layer
 * @property {number | "mean"} head
 * @property {"output" | "input"} reading
 * @property {string | null} reverse the model that translates back, where links of both directions are joined
 */

/**
 * @param {object} body model and one pair
 * @param {AbortSignal} signal
 * @returns {Promise<Aligned>}
 * @throws {Problem} of the pair, too
 */
export async function align(body, signal) {
  const headers = { "Content-Type": "application/json" };
  const answer = await request("v1/align", { method: "POST", headers, body: JSON.stringify(body), signal });
  const { alignments: [first], reverse } = await answer.json();
  if (first.error) throw new Problem(first.error.status, first.error);
  return { ...first, reverse };
}
