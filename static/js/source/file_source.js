/** A trace file in the page: every map of it is worked out here, in a worker where there is much, and no service is asked. */

import { BadFile } from "./bad_file.js";
import { declared } from "./declared.js";
import { LayerMaps } from "./evaluate.js";
import { HeldTensors } from "./held_tensors.js";
import { TraceFile } from "./trace_file.js";
import { FRAME, TraceMaps } from "./trace_maps.js";
import { turns } from "./turns.js";
import { WorkerMaps } from "./worker_maps.js";

/** @typedef {import("./trace_source.js").TraceSource} TraceSource */

const SMALL = 1 << 21; // bytes of a file that the page reads in a few milliseconds
const LITTLE = 1 << 24; // multiplications, of all maps: about 20 ms, and a worker takes longer to begin
const LAYERS = 4; // whose tensors stay in the page besides the worker's

/** @implements {TraceSource} */
export class FileSource {
  /**
   * @param {Blob} file
   * @param {TraceMaps | WorkerMaps} maps
   * @param {string} [measure] of cells, whose values its maps have; empty: the weights
   */
  constructor(file, maps, measure = "") {
    this.file = file;
    this.maps = maps;
    this.measure = measure;
    this.summary = maps.summary;
    /** @type {Map<string, Promise<LayerMaps>>} */
    this.layers = new Map();
  }

  /**
   * @param {Blob} file a whole trace file
   * @param {AbortSignal} [signal]
   * @throws {BadFile} it is none, or not one that is shown here
   */
  static async open(file, signal) {
    const name = file instanceof File ? file.name : "";
    if (file.size <= SMALL) {
      const trace = new TraceFile(await read(file, name), name);
      if (trace.work <= LITTLE) {
        await trace.check(turns(FRAME, signal));
        return new FileSource(file, new TraceMaps(trace));
      }
    }
    const maps = await WorkerMaps.open(file, name, signal);
    return new FileSource(file, maps ?? (await TraceMaps.open(await read(file, name), name, FRAME, signal)));
  }

  /** What a layer's weights are made of, here in the page. @type {TraceSource["layer"]} */
  layer(site, layer, signal) {
    const { maps } = this;
    if (maps instanceof TraceMaps) return Promise.resolve(maps.trace.layer(site, layer));
    const key = `${site}.${layer}`;
    const known = this.layers.get(key);
    if (known) return known;
    const made = maps
      .tensors(site, layer, signal)
      .then(({ described, tensors }) => new LayerMaps(new HeldTensors(tensors), site, layer, described));
    made.catch(() => this.layers.delete(key));
    this.layers.set(key, made);
    const [oldest] = this.layers.keys();
    if (this.layers.size > LAYERS) this.layers.delete(oldest);
    return made;
  }

  /** @type {TraceSource["weights"]} */
  weights(site, layer, part, signal, rows, cols, measure = this.measure) {
    return this.maps.weights(site, layer, part, signal, rows, cols, measure);
  }

  /** @type {TraceSource["window"]} */
  window(site, head, rows, cols, signal, measure = this.measure) {
    return this.maps.window(site, head, rows, cols, signal, measure);
  }

  /** @type {TraceSource["heads"]} */
  heads(signal) {
    return this.maps.heads(signal);
  }

  /** @type {TraceSource["thumbnails"]} */
  thumbnails(site, size, signal, measure = this.measure) {
    return this.maps.thumbnails(site, size, signal, measure);
  }

  /** @type {TraceSource["tiles"]} */
  tiles(sheet, level, tiles, signal, measure = this.measure) {
    return this.maps.tiles(sheet, level, tiles, signal, measure);
  }

  /** @type {TraceSource["measures"]} */
  async measures(signal) {
    return (await this.maps.known(signal)).map(declared);
  }

  /** The same maps by another measure. @type {TraceSource["measured"]} */
  measured({ name }) {
    return new FileSource(this.file, this.maps, name);
  }

  /** Estimates alone: nothing here can make a pass. @type {TraceSource["effects"]} */
  effects(_, signal) {
    return this.maps.estimated(signal);
  }

  /** @type {TraceSource["towards"]} */
  towards() {
    return Promise.reject(new Error("a trace file has no model to ask"));
  }

  /** There is no service that would answer. */
  path() {
    return null;
  }

  /** Its worker ends, and nothing more is answered. */
  close() {
    if (this.maps instanceof WorkerMaps) this.maps.close();
  }
}

/** @param {Blob} file @param {string} name */
function read(file, name) {
  return file.arrayBuffer().catch(() => {
    throw new BadFile("badUnread", { file: name });
  });
}
