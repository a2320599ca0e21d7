/** One answer of a model and everything that came of its trace's source. */

import * as routes from "../api/routes.js";
import { encodeU8log, WEIGHTS } from "../api/u8log.js";
import { bodyOf, draftOfTrace } from "../input/draft.js";
import { FileSource } from "./file_source.js";
import { HttpSource } from "./http_source.js";

/** @typedef {import("./writing.js").Writing} Writing */
/** @typedef {import("../types.js").Draft} Draft */
/** @typedef {import("../types.js").HeadMap} HeadMap */
/** @typedef {import("../types.js").Heads} Heads */
/** @typedef {import("../types.js").Model} Model */
/** @typedef {import("../types.js").Range} Range */
/** @typedef {import("../types.js").Site} Site */
/** @typedef {import("../types.js").Summary} Summary */
/** @typedef {import("../types.js").Thumbnails} Thumbnails */
/** @typedef {import("./trace_source.js").TraceSource} TraceSource */

const LAYER_CELLS = 1 << 19; // a layer of up to 2 MB comes in one answer, so that its heads change at once
const ANSWER_CELLS = 1 << 22; // 16 MB: a larger map comes in parts, each under the service's limit
const KEPT_CELLS = 1 << 24; // 64 MB of weights stay in the page
const THUMBNAIL = 32;

/** Whether a query sees only keys up to its own index. @param {Site | undefined} site */
export function isCausal(site) {
  return (site?.mask ?? (site?.name === "decoder" ? "causal" : "")) === "causal";
}

/** Whether the model can not look everywhere. @param {Site | undefined} site */
export function isMasked(site) {
  return isCausal(site) || !["full", undefined].includes(site?.mask);
}

export class Session {
  /** @param {Draft} draft @param {Model | undefined} model @param {TraceSource} source */
  constructor(draft, model, source) {
    this.draft = draft;
    this.model = model;
    this.source = source;
    this.controller = new AbortController();
    /** @type {Map<string, {promise: Promise<unknown>, cells: number}>} in order of use, the oldest first */
    this.kept = new Map();
    /** @type {ArrayLike<number>} the values of the codes of tiles and thumbnails */
    this.codes = WEIGHTS;
    this.encode = encodeU8log;
  }

  /** What a map's values are; of the weights nothing has to be said. @type {(site: string, which: import("../types.js").Head) => import("../types.js").Unit | undefined} */
  unitOf() {
    return undefined;
  }

  /** What the trace says of itself. */
  get summary() {
    return this.source.summary;
  }

  /** Asks the model. @param {Draft} draft @param {Model | undefined} model @param {AbortSignal} signal */
  static async open(draft, model, signal) {
    return Session.of(draft, model, await routes.trace(bodyOf(draft, model), signal));
  }

  /** Of a trace that the service keeps. @param {Draft} draft @param {Model | undefined} model @param {Summary} summary */
  static of(draft, model, summary) {
    return new Session(draft, model, new HttpSource(draft, model, summary));
  }

  /**
   * Of a trace's file.
   *
   * @param {Blob} file
   * @param {AbortSignal} [signal]
   * @throws {import("./bad_file.js").BadFile} it is none
   */
  static async ofFile(file, signal) {
    const source = await FileSource.open(file, signal);
    return new Session(draftOfTrace(source.summary), undefined, source);
  }

  /**
   * Asks a model that writes, and watches it do so.
   *
   * @param {Draft} draft
   * @param {Model | undefined} model
   * @param {AbortSignal} signal
   * @param {Writing} writing
   * @param {() => void} changed called with every token
   */
  static async write(draft, model, signal, writing, changed) {
    const id = await writing.run(bodyOf(draft, model), signal, changed);
    return Session.of(draft, model, await routes.summary(id, signal));
  }

  /**
   * Opens what the model was asked before, by its trace, which says what that was where the draft does not.
   *
   * @param {string} id
   * @param {Draft} draft
   * @param {Model | undefined} model
   * @param {AbortSignal} signal
   */
  static async reopen(id, draft, model, signal) {
    const summary = await routes.summary(id, signal);
    const given = Object.values(draft.fields).some(Boolean);
    return Session.of(given ? draft : { ...draft, fields: draftOfTrace(summary).fields }, model, summary);
  }

  /** Stops what is under way; nobody waits for it any more. */
  close() {
    this.controller.abort();
    this.source.close?.();
  }

  /** @param {string} name @returns {Site | undefined} */
  findSite(name) {
    return this.summary.sites.find((site) => site.name === name);
  }

  /** @param {string} name of a site that the trace has @returns {Site} */
  site(name) {
    return /** @type {Site} */ (this.findSite(name));
  }

  /** The axis of a site's queries. @param {string} site */
  queries(site) {
    return this.summary.axes[this.site(site).queries];
  }

  /** The axis of a site's keys. @param {string} site */
  keys(site) {
    return this.summary.axes[this.site(site).keys];
  }

  /** The weights of a row, where its own values do not say what is masked. @type {(site: Site, layer: number, head: number, row: number) => Promise<Float32Array | undefined>} */
  async seenRow() {
    return undefined;
  }

  /** @param {string} name of the site @param {number} layer @param {number} head @returns {Promise<HeadMap>} */
  async map(name, layer, head) {
    const site = this.site(name);
    const [rows, cols] = site.shape;
    const whole = rows * cols * site.heads <= LAYER_CELLS;
    const part = whole ? "all" : head;
    const data = await this.keep(
      `${name}/${layer}/${part}`,
      () => this.weights(name, layer, part, rows, cols),
      rows * cols * (whole ? site.heads : 1),
    );
    const start = whole ? head * rows * cols : 0;
    const weights = data.subarray(start, start + rows * cols);
    const causal = isCausal(site);
    const cut = Boolean(this.draft.edits?.length); // then a key that a query sees may have exactly 0
    return { weights, rows, cols, causal, holes: isMasked(site) && !(causal && cut) };
  }

  /**
   * One head or a small layer in one answer, a large map in bands of rows.
   *
   * @param {string} site
   * @param {number} layer
   * @param {number | "all"} part a head, or all of them
   * @param {number} rows of the map
   * @param {number} cols
   * @returns {Promise<Float32Array>} row-major
   */
  async weights(site, layer, part, rows, cols) {
    const { signal } = this.controller;
    if (part === "all" || rows * cols <= ANSWER_CELLS) return this.source.weights(site, layer, part, signal);
    const data = new Float32Array(rows * cols);
    const step = Math.max(1, Math.floor(ANSWER_CELLS / cols));
    for (let row = 0; row < rows; row += step) {
      /** @type {Range} */
      const band = [row, Math.min(row + step, rows)];
      data.set(await this.source.weights(site, layer, part, signal, band), row * cols);
    }
    return data;
  }

  /** A window of every head of a layer. @param {string} site @param {number} layer @param {Range} rows @param {Range} cols */
  part(site, layer, rows, cols) {
    const make = () => this.source.weights(site, layer, "all", this.controller.signal, rows, cols);
    return this.keep(`${site}/${layer}/${rows}/${cols}`, make, 0);
  }

  /** What the weights of a layer are made of. @param {string} site @param {number} layer */
  layer(site, layer) {
    return this.source.layer(site, layer, this.controller.signal);
  }

  /** @returns {Promise<Heads>} every head's statistics, and which head says most */
  heads() {
    return this.keep("heads", () => this.source.heads(this.controller.signal), 0);
  }

  /** @param {string} site @returns {Promise<Thumbnails>} */
  thumbnails(site) {
    const make = () => this.source.thumbnails(site, THUMBNAIL, this.controller.signal);
    return this.keep(`thumbnails/${site}`, make, 0);
  }

  /** Whether the input was a file that this page does not have: opened from a link, or from the trace alone. */
  lacksMedia() {
    const seen = Object.values(this.summary.axes).some(({ kind }) => kind !== "text");
    return seen && !this.draft.media;
  }

  /**
   * One promise per name, so that nothing is asked twice; failures are forgotten; the oldest weights go first.
   *
   * @template T
   * @param {string} name
   * @param {() => Promise<T>} make
   * @param {number} cells
   * @returns {Promise<T>}
   */
  keep(name, make, cells) {
    const held = this.kept.get(name);
    if (held) {
      this.kept.delete(name);
      this.kept.set(name, held);
      return /** @type {Promise<T>} */ (held.promise);
    }
    const promise = make();
    promise.catch(() => this.kept.get(name)?.promise === promise && this.kept.delete(name));
    this.kept.set(name, { promise, cells });
    let total = 0;
    for (const [other, entry] of [...this.kept].reverse()) {
      total += entry.cells;
      if (total > KEPT_CELLS && other !== name) this.kept.delete(other);
    }
    return promise;
  }
}
