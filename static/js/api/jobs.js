/** Jobs of the service, which take longer than a request: posted, watched while they run, and cancelled. */

import { asError, isAbort, Problem, request, Unreachable } from "./request.js";
import { eventsOf } from "./stream.js";

/**
 * @typedef {object} Job
 * @property {string} id
 * @property {string} kind
 * @property {"queued" | "running" | "done" | "failed" | "cancelled"} state
 * @property {{done: number, of: number, what: string}} progress 0 of 0 until it is known
 * @property {unknown} [result] where it is done
 * @property {import("./request.js").Body & {status?: number}} [error] what it failed, or was cancelled by
 */

const TRIES = 5; // to watch on where a proxy has cut the stream off
const PAUSE = 1000; // milliseconds before each

/** @param {string} id */
const path = (id) => `v1/jobs/${encodeURIComponent(id)}`;

/**
 * Does a job, and tells how far it is; whoever aborts it has it cancelled.
 *
 * @param {object} body its `kind`, and what that takes
 * @param {AbortSignal} signal
 * @param {(job: Job) => void} told
 * @returns {Promise<unknown>} its result
 * @throws {Problem | Unreachable} it was refused or failed, or nothing is heard of it; an aborted one throws AbortError
 */
export async function runJob(body, signal, told) {
  const headers = { "Content-Type": "application/json" };
  /** @type {Job} */
  const begun = await (await request("v1/jobs", { method: "POST", headers, body: JSON.stringify(body) })).json();
  const cancel = () => void forget(begun.id);
  if (signal.aborted) cancel(); // while it was being posted: then there is one to cancel all the same
  signal.throwIfAborted();
  signal.addEventListener("abort", cancel, { once: true });
  window.addEventListener("pagehide", cancel, { once: true });
  try {
    told(begun);
    const job = await watched(begun.id, signal, told);
    if (job.state === "done") return job.result;
    throw new Problem(job.error?.status ?? 410, job.error ?? { detail: job.state });
  } finally {
    signal.removeEventListener("abort", cancel);
    window.removeEventListener("pagehide", cancel);
  }
}

/**
 * The job once it is over.
 *
 * @param {string} id
 * @param {AbortSignal} signal
 * @param {(job: Job) => void} told
 * @returns {Promise<Job>}
 */
async function watched(id, signal, told) {
  for (let tries = 0; ; tries += 1) {
    try {
      const { body } = await request(`${path(id)}/events`, { signal });
      for await (const { name, data } of eventsOf(/** @type {ReadableStream<Uint8Array>} */ (body))) {
        if (name === "error") throw new Problem(data.status, data);
        if (name === "end") return data;
        tries = 0;
        told(data);
      }
      throw new Unreachable("the stream broke off before its end");
    } catch (error) {
      signal.throwIfAborted();
      if (isAbort(error) || error instanceof Problem || tries >= TRIES) throw asError(error);
    }
    await new Promise((resolve) => setTimeout(resolve, PAUSE));
    signal.throwIfAborted();
  }
}

/** Cancels a job, also while the page goes; where that fails it ends by itself. @param {string} id */
async function forget(id) {
  await request(path(id), { method: "DELETE", keepalive: true }).catch(() => {});
}
