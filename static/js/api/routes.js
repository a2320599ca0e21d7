/** The service's HTTP contract, as functions. */

import { askForKey, credentials, key } from "./access.js";
import { decodeNpy } from "./npy.js";

/** @typedef {import("../types.js").Model} Model */
/** @typedef {import("../types.js").Summary} Summary */

/** The service refused: its problem+json. */
export class Problem extends Error {
  /** @param {number} status @param {any} body */
  constructor(status, body) {
    super(body?.detail ?? body?.title ?? `HTTP ${status}`);
    this.status = status;
    this.title = body?.title ?? "";
    this.body = body ?? {};
    /** @type {number} seconds that the service asks to wait */
    this.retryAfter = 0;
  }

  /** The path of the field at fault, such as `inputs.image`; empty where it is none. */
  get path() {
    return String(this.body.errors?.[0]?.path ?? "");
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
export async function request(path, options = {}) {
  for (;;) {
    const sent = key();
    const headers = { ...options.headers, ...credentials() };
    let response;
    try {
      response = await fetch(path, { credentials: "same-origin", ...options, headers });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Unreachable(String(error.message));
    }
    if (response.ok) return response;
    const problem = new Problem(response.status, await response.json().catch(() => null));
    problem.retryAfter = Number(response.headers.get("Retry-After")) || 0;
    if (problem.status !== 401 || !(await askForKey(sent)) || options.signal?.aborted) throw problem;
  }
}

/** @returns {Promise<Model[]>} */
export async function models() {
  return (await (await request("v1/models")).json()).models;
}

/** @param {any} body model, inputs, parameters @returns {Promise<Summary>} */
export async function trace(body, signal) {
  const headers = { "Content-Type": "application/json" };
  return (await request("v1/traces", { method: "POST", headers, body: JSON.stringify(body), signal })).json();
}

/** @returns {Promise<Summary>} of a trace that was made before */
export async function summary(id, signal) {
  return (await request(`v1/traces/${encodeURIComponent(id)}`, { signal })).json();
}

/** @returns {Promise<any[]>} one row per head of every site */
export async function heads(id, signal) {
  return (await (await request(`v1/traces/${id}/heads`, { signal })).json()).heads;
}

/**
 * @param {number | "all"} head
 * @param {[number, number]} [rows] half open; all where left out
 * @returns {Promise<{shape: number[], data: Float32Array}>}
 */
export async function weights(id, site, layer, head, signal, rows) {
  const part = rows ? `&rows=${rows.join(":")}` : "";
  const response = await request(`${mapPath(id, site, layer, head)}?format=npy${part}`, { signal });
  return /** @type {any} */ (decodeNpy(await response.arrayBuffer()));
}

/** @returns {Promise<{shape: number[], codes: Uint8Array}>} layers, heads, rows, columns; u8log */
export async function thumbnails(id, site, size, signal) {
  const response = await request(`v1/traces/${id}/thumbnails/${site}?size=${size}&format=raw`, { signal });
  const shape = (response.headers.get("X-Tile-Shape") ?? "").match(/\d+/g)?.map(Number) ?? [];
  return { shape, codes: new Uint8Array(await response.arrayBuffer()) };
}

/** @returns {Promise<Blob>} what a link cannot fetch, since it sends no key */
export async function file(path) {
  return (await request(path)).blob();
}

/** The address of a head's map; representations differ by `format`. */
export function mapPath(id, site, layer, head) {
  return `v1/traces/${id}/maps/${site}/${layer}/${head}`;
}
