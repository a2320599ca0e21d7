/** The service's HTTP contract, as functions. */

import { decodeNpy } from "./npy.js";

/** @typedef {import("./types.js").Summary} Summary */

/** The service refused: its problem+json. */
export class Problem extends Error {
  /** @param {number} status @param {any} body */
  constructor(status, body) {
    super(body?.detail ?? body?.title ?? `HTTP ${status}`);
    this.status = status;
    this.title = body?.title ?? "";
    this.body = body ?? {};
  }
}

/** The service did not answer at all. */
export class Unreachable extends Error {}

/**
 * @param {string} path relative to the page, so that a prefix before the service does no harm
 * @param {RequestInit} [options]
 * @returns {Promise<Response>}
 * @throws {Problem | Unreachable} an aborted request throws the browser's AbortError
 */
async function request(path, options = {}) {
  let response;
  try {
    response = await fetch(path, { credentials: "same-origin", ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Unreachable(String(error.message));
  }
  if (response.ok) return response;
  throw new Problem(response.status, await response.json().catch(() => null));
}

/** @returns {Promise<any[]>} the models, each with its name, sites and examples */
export async function models() {
  return (await (await request("v1/models")).json()).models;
}

/** @returns {Promise<Summary>} */
export async function trace(model, inputs, signal) {
  const body = JSON.stringify(model ? { model, inputs } : { inputs });
  const headers = { "Content-Type": "application/json" };
  return (await request("v1/traces", { method: "POST", headers, body, signal })).json();
}

/** @returns {Promise<any[]>} one row per head of every site */
export async function heads(id, signal) {
  return (await (await request(`v1/traces/${id}/heads`, { signal })).json()).heads;
}

/**
 * @param {number | "all"} head
 * @returns {Promise<{shape: number[], data: Float32Array}>}
 */
export async function weights(id, site, layer, head, signal) {
  const response = await request(`${mapPath(id, site, layer, head)}?format=npy`, { signal });
  return /** @type {any} */ (decodeNpy(await response.arrayBuffer()));
}

/** @returns {Promise<{shape: number[], codes: Uint8Array}>} layers, heads, rows, columns; u8log */
export async function thumbnails(id, site, size, signal) {
  const response = await request(`v1/traces/${id}/thumbnails/${site}?size=${size}&format=raw`, { signal });
  const shape = (response.headers.get("X-Tile-Shape") ?? "").match(/\d+/g)?.map(Number) ?? [];
  return { shape, codes: new Uint8Array(await response.arrayBuffer()) };
}

/** The address of a head's map; representations differ by `format`. */
export function mapPath(id, site, layer, head) {
  return `v1/traces/${id}/maps/${site}/${layer}/${head}`;
}
