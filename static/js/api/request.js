/** One request to the service, and what it may fail with. */

import { credentials, heldKey, replaceKey } from "./key.js";

/** @typedef {{type?: string, title?: string, detail?: string, errors?: {path?: string}[]}} Body of problem+json (RFC 9457) */

/** The service refused: its problem+json. */
export class Problem extends Error {
  /** @param {number} status @param {Body | null} body */
  constructor(status, body) {
    super(body?.detail ?? body?.title ?? `HTTP ${status}`);
    this.status = status;
    this.body = body ?? {};
    /** @type {number} seconds that the service asks to wait; 0 where it does not */
    this.retryAfter = 0;
  }

  /** The path of the field at fault, such as `inputs.image`; empty where it is none. */
  get path() {
    return String(this.body.errors?.[0]?.path ?? "");
  }

  /** Whether the service has no room just now: a queue that is full, not a model that failed (503 too). */
  get busy() {
    return this.status === 503 && this.body.type === "urn:heedmap:problem:overloaded";
  }
}

/** The service did not answer at all. */
export class Unreachable extends Error {}

/** Whatever was thrown, as an error. @param {unknown} thrown */
export const asError = (thrown) => (thrown instanceof Error ? thrown : new Error(String(thrown)));

/** Whether somebody gave up waiting. @param {unknown} thrown */
export const isAbort = (thrown) => asError(thrown).name === "AbortError";

/**
 * @param {string} path relative to the page, so that a prefix before the service does no harm
 * @param {Omit<RequestInit, "headers"> & {headers?: Record<string, string>}} [options]
 * @returns {Promise<Response>}
 * @throws {Problem | Unreachable} an aborted request throws the browser's AbortError
 */
export async function request(path, options = {}) {
  for (;;) {
    const sent = heldKey();
    const headers = { ...options.headers, ...credentials() };
    let response;
    try {
      response = await fetch(path, { credentials: "same-origin", ...options, headers });
    } catch (error) {
      if (isAbort(error)) throw error;
      throw new Unreachable(asError(error).message);
    }
    if (response.ok) return response;
    const problem = new Problem(response.status, await response.json().catch(() => null));
    problem.retryAfter = Number(response.headers.get("Retry-After")) || 0;
    if (problem.status !== 401 || !(await replaceKey(sent)) || options.signal?.aborted) throw problem;
  }
}
