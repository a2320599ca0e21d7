/** One translation and everything fetched about it. */

import * as api from "./api.js";

/** @typedef {import("./types.js").HeadMap} HeadMap */
/** @typedef {import("./types.js").Site} Site */
/** @typedef {import("./types.js").Summary} Summary */

const LAYER_CELLS = 1 << 19; // a layer of up to 2 MB comes in one answer, so that its heads change at once
const KEPT_CELLS = 1 << 24; // 64 MB of weights stay in the page
const THUMBNAIL = 32;

/** Whether a query sees only keys up to its own index. */
export function isCausal(site) {
  return (site?.mask ?? (site?.name === "decoder" ? "causal" : "")) === "causal";
}

export class Session {
  /** @param {string} model @param {string} text @param {Summary} summary */
  constructor(model, text, summary) {
    this.model = model;
    this.text = text;
    this.summary = summary;
    this.controller = new AbortController();
    /** @type {Map<string, Promise<any>>} in order of use, the oldest first */
    this.kept = new Map();
  }

  static async open(model, text, signal) {
    return new Session(model, text, await api.trace(model, text, signal));
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

  /** The text that an axis's spans count in. */
  textOf(axis) {
    return axis === "source" ? this.text : this.summary.prediction.text;
  }

  /** @returns {Promise<HeadMap>} */
  async map(siteName, layer, head) {
    const site = this.site(siteName);
    const [rows, cols] = site.shape;
    const causal = isCausal(site);
    const whole = rows * cols * site.heads <= LAYER_CELLS;
    const part = whole ? "all" : head;
    const { data } = await this.keep(
      `${siteName}/${layer}/${part}`,
      () => this.alive(() => api.weights(this.summary.id, siteName, layer, part, this.controller.signal)),
      rows * cols * (whole ? site.heads : 1),
    );
    const start = whole ? head * rows * cols : 0;
    return { weights: data.subarray(start, start + rows * cols), rows, cols, causal };
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
      if (!dropped) throw error;
      this.again ??= api.trace(this.model, this.text, this.controller.signal).finally(() => (this.again = null));
      this.summary = { ...this.summary, id: (await this.again).id };
      return ask();
    }
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
