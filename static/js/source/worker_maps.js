/** A trace file in a worker: the same questions as `TraceMaps` answers, and the page stays free meanwhile. */

import { BadFile } from "./bad_file.js";

/** @typedef {import("./trace_maps.js").Layer} Layer */
/** @typedef {import("./trace_source.js").TraceSource} TraceSource */
/** @typedef {{id: number, ask: string, given: unknown[]}} Question */
/** @typedef {{message: string} | import("./bad_file.js").Said} Failure */
/** @typedef {{id: number, value?: unknown, failure?: Failure}} Answer */
/** @typedef {{resolve: (value: any) => void, reject: (error: Error) => void}} Waiting */

const PATIENCE = 10_000; // milliseconds until a worker that has not begun will not: then the page does its work

/** No worker here: the browser has none, or what frames the page allows none. */
class NoWorker extends Error {}

export class WorkerMaps {
  /** @param {Worker} worker that has not begun yet */
  constructor(worker) {
    this.worker = worker;
    /** @type {Map<number, Waiting>} */
    this.waiting = new Map();
    this.last = 0;
    this.began = false;
    worker.addEventListener("message", (event) => this.hear(event.data));
    worker.addEventListener("error", (event) => {
      event.preventDefault();
      this.fail(this.began ? new Error(`the worker failed: ${event.message}`) : new NoWorker());
    });
    this.timer = setTimeout(() => this.fail(new NoWorker()), PATIENCE);
    /** @type {import("../types.js").Summary} what the trace says of itself, once it is open */
    this.summary = /** @type {any} */ (null);
  }

  /**
   * A trace file, looked through.
   *
   * @param {Blob} file
   * @param {string} name
   * @param {AbortSignal} [signal]
   * @returns {Promise<WorkerMaps | null>} null where there are no workers
   * @throws {BadFile} it is no trace, or not one that is shown here
   */
  static async open(file, name, signal) {
    /** @type {WorkerMaps | null} */
    let maps = null;
    try {
      maps = new WorkerMaps(new Worker(new URL("./trace_worker.js", import.meta.url), { type: "module" }));
      maps.summary = await maps.ask("open", [file, name], signal);
      return maps;
    } catch (error) {
      if (maps === null || error instanceof NoWorker) {
        maps?.close();
        return null;
      }
      maps.close();
      throw error;
    }
  }

  /** @param {Answer} answer */
  hear({ id, value, failure }) {
    if (id === 0) {
      this.began = true;
      return clearTimeout(this.timer);
    }
    const waiting = this.waiting.get(id);
    this.waiting.delete(id);
    if (!failure) waiting?.resolve(value);
    else waiting?.reject("reason" in failure ? new BadFile(failure.reason, failure.values) : new Error(failure.message));
  }

  /** Nobody is answered any more. @param {Error} error */
  fail(error) {
    for (const { reject } of this.waiting.values()) reject(error);
    this.waiting.clear();
  }

  close() {
    clearTimeout(this.timer);
    this.worker.terminate();
    this.fail(new DOMException("the trace was closed", "AbortError"));
  }

  /**
   * @param {string} ask
   * @param {unknown[]} given
   * @param {AbortSignal} [signal]
   * @returns {Promise<any>} what the worker answers
   */
  async ask(ask, given, signal) {
    signal?.throwIfAborted();
    const id = (this.last += 1);
    const answer = new Promise((resolve, reject) => this.waiting.set(id, { resolve, reject }));
    const stop = () => {
      this.worker.postMessage({ id, ask: "stop", given: [] });
      this.waiting.get(id)?.reject(signal?.reason);
      this.waiting.delete(id);
    };
    this.worker.postMessage({ id, ask, given });
    signal?.addEventListener("abort", stop, { once: true });
    try {
      return await answer;
    } finally {
      signal?.removeEventListener("abort", stop);
    }
  }

  /** @param {string} site @param {number} layer @param {AbortSignal} [signal] @returns {Promise<Layer>} */
  tensors(site, layer, signal) {
    return this.ask("tensors", [site, layer], signal);
  }

  /** @type {TraceSource["weights"]} */
  weights(site, layer, part, signal, rows, cols, measure) {
    return this.ask("weights", [site, layer, part, rows, cols, measure], signal);
  }

  /** @type {TraceSource["window"]} */
  window(site, head, rows, cols, signal, measure) {
    return this.ask("window", [site, head, rows, cols, measure], signal);
  }

  /** @type {TraceSource["heads"]} */
  heads(signal) {
    return this.ask("heads", [], signal);
  }

  /** @type {TraceSource["thumbnails"]} */
  thumbnails(site, size, signal, measure) {
    return this.ask("thumbnails", [site, size, measure], signal);
  }

  /** @type {TraceSource["tiles"]} */
  tiles(sheet, level, tiles, signal, measure) {
    return this.ask("tiles", [sheet, level, tiles, measure], signal);
  }

  /** @param {AbortSignal} [signal] @returns {ReturnType<import("./trace_maps.js").TraceMaps["known"]>} */
  known(signal) {
    return this.ask("known", [], signal);
  }

  /** @param {AbortSignal} [signal] @returns {ReturnType<import("./trace_maps.js").TraceMaps["estimated"]>} */
  estimated(signal) {
    return this.ask("estimated", [], signal);
  }
}
