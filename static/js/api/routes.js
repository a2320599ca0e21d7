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
 * @param {number | "all"} head
 * @param {AbortSignal} signal
 * @param {Range} [rows] all where left out
 * @param {Range} [cols]
 * @returns {Promise<Float32Array>} row-major
 */
export async function weights(id, site, layer, head, signal, rows, cols) {
  const part = (rows ? `&rows=${rows.join(":")}` : "") + (cols ? `&cols=${cols.join(":")}` : "");
  const response = await request(`${mapPath(id, site, layer, head)}?format=npy${part}`, { signal });
  const { data } = decodeNpy(await response.arrayBuffer());
  return /** @type {Float32Array} */ (data); // the map route sends no other
}

/**
 * @param {string} id
 * @param {string} site
 * @param {number} size pixels a side at most
 * @param {AbortSignal} signal
 * @returns {Promise<Thumbnails>}
 */
export async function thumbnails(id, site, size, signal) {
  const response = await request(`${tracePath(id)}/thumbnails/${site}?size=${size}&format=raw`, { signal });
  const shape = (response.headers.get("X-Tile-Shape") ?? "").match(/\d+/g)?.map(Number) ?? [];
  return { shape, codes: new Uint8Array(await response.arrayBuffer()) };
}

/** @param {string} id @param {AbortSignal} signal @returns {Promise<ArrayBuffer>} the trace as a file */
export async function traceFile(id, signal) {
  return (await request(`${tracePath(id)}/file`, { signal })).arrayBuffer();
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
 * @typedef {object} Aligned the words of a pair, and which are each other's
 * @property {string} pharaoh "0-0 1-2": places from 0, the source's first
 * @property {string[]} source
 * @property {string[]} target
 * @property {number[]} scores of the links, in their order
 * @property {number | "mean"} layer
 * @property {number | "mean"} head
 * @property {"output" | "input"} reading
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
  const [first] = (await answer.json()).alignments;
  if (first.error) throw new Problem(first.error.status, first.error);
  return first;
}
