/** A trace that the service keeps: it is asked for maps, and makes the trace again where it has been dropped meanwhile. */

import { decodeNpy } from "../api/npy.js";
import { Problem, request } from "../api/request.js";
import * as routes from "../api/routes.js";
import { bodyOf } from "../input/draft.js";
import { parseBatch } from "./tiles.js";
import { FileSource } from "./file_source.js";

/** @typedef {import("./trace_source.js").TraceSource} TraceSource */
/** @typedef {import("../types.js").Draft} Draft */
/** @typedef {import("../types.js").Model} Model */
/** @typedef {import("../types.js").Range} Range */
/** @typedef {import("../types.js").Summary} Summary */

/** @implements {TraceSource} */
export class HttpSource {
  /**
   * @param {Draft} draft that made it
   * @param {Model | undefined} model
   * @param {Summary} summary
   * @param {string} [measure] of cells, whose values its maps have; empty: the weights
   * @param {import("../types.js").Objective | null} [objective] what the trace's gradients are of
   */
  constructor(draft, model, summary, measure = "", objective = null) {
    this.draft = draft;
    this.model = model;
    this.summary = summary;
    this.measure = measure;
    this.objective = objective;
    /** @type {Promise<Summary> | null} the same input, traced again */
    this.again = null;
    /** @type {Promise<FileSource> | null} the trace's file */
    this.read = null;
  }

  /** @type {TraceSource["weights"]} */
  weights(site, layer, part, signal, rows, cols, measure = this.measure) {
    return this.alive(signal, () => routes.weights(this.summary.id, site, layer, part, signal, rows, cols, measure));
  }

  /** @type {TraceSource["heads"]} */
  heads(signal) {
    return this.alive(signal, () => routes.heads(this.summary.id, signal));
  }

  /** @type {TraceSource["thumbnails"]} */
  thumbnails(site, size, signal, measure = this.measure) {
    return this.alive(signal, () => routes.thumbnails(this.summary.id, site, size, signal, measure));
  }

  /** @type {TraceSource["tiles"]} */
  tiles({ site, layer, head, how }, level, tiles, signal, measure = this.measure) {
    const wanted = tiles.map((pair) => pair.join(":")).join(",");
    return this.alive(signal, async () => {
      const path = `${routes.tracePath(this.summary.id)}/tiles/${site}/${layer}/${head}/${how}/${level}`;
      return parseBatch(await (await request(`${path}?tiles=${wanted}${routes.byMeasure(measure)}`, { signal })).arrayBuffer());
    });
  }

  /** @type {TraceSource["window"]} */
  window(site, head, rows, cols, signal, measure = this.measure) {
    return this.alive(signal, async () => {
      const answer = await request(this.path(site, head, "npy", rows, cols, measure), { signal });
      return /** @type {Float32Array} */ (decodeNpy(await answer.arrayBuffer()).data);
    });
  }

  /** Of the trace's file, which is fetched once. @type {TraceSource["layer"]} */
  async layer(site, layer, signal) {
    this.read ??= this.alive(signal, () => routes.traceFile(this.summary.id, signal)).then((buffer) =>
      FileSource.open(new Blob([buffer]), signal),
    );
    this.read.catch(() => (this.read = null));
    return (await this.read).layer(site, layer, signal);
  }

  /** The worker that reads the file ends. */
  close() {
    this.read?.then((source) => source.close()).catch(() => {});
  }

  /**
   * @param {string} site
   * @param {import("../types.js").HeadOrAll} which
   * @param {string} format
   * @param {Range} [rows] all where left out
   * @param {Range} [cols]
   * @param {string} [measure] of cells
   */
  path(site, { layer, head }, format, rows, cols, measure = this.measure) {
    const part = rows && cols ? `&rows=${rows.join(":")}&cols=${cols.join(":")}` : "";
    return `${routes.mapPath(this.summary.id, site, layer, head)}?format=${format}${part}${routes.byMeasure(measure)}`;
  }

  /** What the trace is asked for by. */
  body() {
    const body = bodyOf(this.draft, this.model);
    return this.objective ? { ...body, objective: this.objective } : body;
  }

  /** @type {TraceSource["measures"]} */
  measures(signal) {
    return this.alive(signal, () => routes.measures(this.summary.id, signal));
  }

  /** The same trace, or the one that has an objective too, by another measure. @type {TraceSource["measured"]} */
  measured({ name }) {
    return new HttpSource(this.draft, this.model, this.summary, name, this.objective);
  }

  /** @type {TraceSource["effects"]} */
  effects(measured, signal) {
    return this.alive(signal, () => routes.headEffects(this.summary.id, measured, signal));
  }

  /** The trace of the same input that keeps the gradients of an objective. @type {TraceSource["towards"]} */
  async towards(objective, signal) {
    const source = new HttpSource(this.draft, this.model, this.summary, "", objective);
    source.summary = await routes.trace(source.body(), signal);
    return source;
  }

  /**
   * Asks once more after tracing again where the service has dropped the trace meanwhile; ids are stable.
   *
   * @template T
   * @param {AbortSignal | undefined} signal
   * @param {() => Promise<T>} ask
   * @returns {Promise<T>}
   */
  async alive(signal, ask) {
    try {
      return await ask();
    } catch (error) {
      const dropped = error instanceof Problem && (error.status === 404 || error.status === 410);
      const seen = Object.values(this.summary.axes).some(({ kind }) => kind !== "text");
      const lost = seen && !this.draft.media; // a file that this page never had: opened from a link
      if (!dropped || lost) throw error;
      this.again ??= routes.trace(this.body(), signal).finally(() => (this.again = null));
      this.summary = { ...this.summary, id: (await this.again).id };
      return ask();
    }
  }
}
