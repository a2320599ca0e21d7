/** One answer of a model and everything fetched about it. */

import * as api from "../api/routes.js";
import { bodyOf } from "../input/draft.js";

/** @typedef {import("../types.js").Draft} Draft */
/** @typedef {import("../types.js").HeadMap} HeadMap */
/** @typedef {import("../types.js").Model} Model */
/** @typedef {import("../types.js").Site} Site */
/** @typedef {import("../types.js").Summary} Summary */

const LAYER_CELLS = 1 << 19; // a layer of up to 2 MB comes in one answer, so that its heads change at once
const ANSWER_CELLS = 1 << 22; // 16 MB: a larger map comes in parts, each under the service's limit
const KEPT_CELLS = 1 << 24; // 64 MB of weights stay in the page
const THUMBNAIL = 32;

/** Whether a query sees only keys up to its own index. */
export function isCausal(site) {
  return (site?.mask ?? (site?.name === "decoder" ? "causal" : "")) === "causal";
}

/** Whether the model can not look everywhere. */
export function isMasked(site) {
  return isCausal(site) || !["full", undefined].includes(site?.mask);
}

export class Session {
  /** @param {Draft} draft @param {Model | undefined} model @param {Summary} summary */
  constructor(draft, model, summary) {
    this.draft = draft;
    this.model = model;
    this.summary = summary;
    this.controller = new AbortController();
    /** @type {Map<string, Promise<any>>} in order of use, the oldest first */
    this.kept = new Map();
  }

  /** Asks the model. */
  static async open(draft, model, signal) {
    return new Session(draft, model, await api.trace(bodyOf(draft, model), signal));
  }

  /** Opens what the model was asked before, by its trace. */
  static async reopen(id, draft, model, signal) {
    return new Session(draft, model, await api.summary(id, signal));
  }

  /** Stops what is under way; nobody waits for it any more. */
  close() {
    this.controller.abort();
  }

  /** @returns {Site | undefined} */
  site(name) {
    return this.summary.sites.find((site) => site.name === name);
  }

  queries(site) {
    return this.summary.axes[this.site(site).queries];
  }

  keys(site) {
    return this.summary.axes[this.site(site).keys];
  }

  /** @returns {Promise<HeadMap>} */
  async map(siteName, layer, head) {
    const site = this.site(siteName);
    const [rows, cols] = site.shape;
    const whole = rows * cols * site.heads <= LAYER_CELLS;
    const part = whole ? "all" : head;
    const { data } = await this.keep(
      `${siteName}/${layer}/${part}`,
      () => this.weights(siteName, layer, part, rows, cols),
      rows * cols * (whole ? site.heads : 1),
    );
    const start = whole ? head * rows * cols : 0;
    const weights = data.subarray(start, start + rows * cols);
    return { weights, rows, cols, causal: isCausal(site), holes: isMasked(site) };
  }

  /** @returns {Promise<{data: Float32Array}>} one head or a small layer in one answer, a large map in bands of rows */
  async weights(site, layer, part, rows, cols) {
    const ask = (band) =>
      this.alive(() => api.weights(this.summary.id, site, layer, part, this.controller.signal, band));
    if (part === "all" || rows * cols <= ANSWER_CELLS) return ask();
    const data = new Float32Array(rows * cols);
    const step = Math.max(1, Math.floor(ANSWER_CELLS / cols));
    for (let row = 0; row < rows; row += step)
      data.set((await ask([row, Math.min(row + step, rows)])).data, row * cols);
    return { data };
  }

  /** @returns {Promise<any[]>} every head's statistics */
  heads() {
    return this.keep("heads", () => this.alive(() => api.heads(this.summary.id, this.controller.signal)), 0);
  }

  thumbnails(site) {
    const fetch = () => api.thumbnails(this.summary.id, site, THUMBNAIL, this.controller.signal);
    return this.keep(`thumbnails/${site}`, () => this.alive(fetch), 0);
  }

  /** Asks once more after tracing again where the service has dropped the trace meanwhile; ids are stable. */
  async alive(ask) {
    try {
      return await ask();
    } catch (error) {
      const dropped = error instanceof api.Problem && (error.status === 404 || error.status === 410);
      if (!dropped || this.lacksMedia()) throw error;
      const body = bodyOf(this.draft, this.model);
      this.again ??= api.trace(body, this.controller.signal).finally(() => (this.again = null));
      this.summary = { ...this.summary, id: (await this.again).id };
      return ask();
    }
  }

  /** Whether the input was a file that this page never had: opened from a link. */
  lacksMedia() {
    const seen = Object.values(this.summary.axes).some(({ kind }) => kind !== "text");
    return seen && !this.draft.media;
  }

  /** One promise per name, so that nothing is asked twice; failures are forgotten; the oldest weights go first. */
  keep(name, make, cells) {
    const found = this.kept.get(name);
    if (found) {
      this.kept.delete(name);
      this.kept.set(name, found);
      return found;
    }
    const promise = make();
    promise.catch(() => this.kept.get(name) === promise && this.kept.delete(name));
    promise.cells = cells;
    this.kept.set(name, promise);
    let total = 0;
    for (const [other, entry] of [...this.kept].reverse()) {
      total += entry.cells;
      if (total > KEPT_CELLS && other !== name) this.kept.delete(other);
    }
    return promise;
  }
}
