/** A trace file in memory: its summary as the service gives it, and every map of it, without a server. */

import { LayerMaps } from "./evaluate.js";
import { TensorFile } from "./tensors.js";

/** @typedef {import("../types.js").Summary} Summary */
/** @typedef {import("./evaluate.js").Described} Described */

const FORMAT = "1";

export class TraceFile {
  /**
   * @param {ArrayBuffer} buffer a whole file
   * @throws {Error} it is no trace, is cut short, or is of another version
   */
  constructor(buffer) {
    this.file = new TensorFile(buffer);
    const { heedmap: version, trace, id = "", model = "" } = this.file.metadata;
    if (!trace) throw new Error("this safetensors file is no trace of Heedmap");
    if (version !== FORMAT) throw new Error(`this page reads traces of version ${FORMAT}, and this is ${version}`);
    const { layers, model: recorded = {}, ...rest } = JSON.parse(trace);
    /** @type {Summary} */
    this.summary = { ...rest, id, model: model || recorded.revision };
    /** @type {Record<string, Described[]>} */
    this.described = layers;
    this.alignment = String(recorded.alignment ?? ""); // layer.head.reading of the cross head that was taught to align
    /** @type {Map<string, LayerMaps>} */
    this.opened = new Map();
  }

  /**
   * All maps of a layer.
   *
   * @param {string} site
   * @param {number} layer
   * @throws {Error} there is none
   */
  layer(site, layer) {
    const described = this.described[site]?.[layer];
    if (!described) throw new Error(`there is no layer ${layer} of ${site}`);
    const key = `${site}.${layer}`;
    let maps = this.opened.get(key);
    if (!maps) {
      maps = new LayerMaps(this.file, site, layer, described);
      this.opened.set(key, maps);
    }
    return maps;
  }

  /**
   * The cross head that the model was taught to align by; null where there is none.
   *
   * @param {import("../types.js").Site} site
   * @returns {import("../types.js").Head | null}
   */
  taught({ layers, heads }) {
    const [, layer = NaN, head = NaN] = (/^(\d{1,4})\.(\d{1,4})\.(?:output|input)$/.exec(this.alignment) ?? []).map(Number);
    return layer < layers && head < heads ? { layer, head } : null;
  }
}
