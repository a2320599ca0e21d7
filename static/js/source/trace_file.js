/** A trace file in memory: its summary as the service gives it, and every map of it, without a server. */

import { BadFile, require } from "./bad_file.js";
import { checkedSummary } from "./checks.js";
import { LayerMaps } from "./evaluate.js";
import { checkLayers } from "./layer_checks.js";
import { TensorFile } from "./tensors.js";

/** @typedef {import("../types.js").Summary} Summary */
/** @typedef {import("./evaluate.js").Described} Described */

const FORMAT = "1";
const HELD = 1 << 28; // bytes of numbers of layers that stay at hand; the file itself stays besides

export class TraceFile {
  /**
   * @param {ArrayBuffer} buffer a whole file
   * @param {string} [name] of the file
   * @throws {BadFile} it is no trace, is cut short, or is of another version
   */
  constructor(buffer, name = "") {
    this.file = new TensorFile(buffer, name);
    const { heedmap: version, trace, id = "", model = "" } = this.file.metadata;
    require(trace !== undefined && version !== undefined, "badForeign");
    require(version === FORMAT, "badVersion", { version, known: FORMAT });
    const { summary, layers, recorded } = checkedSummary(parsed(trace));
    /** @type {Summary} */
    this.summary = { ...summary, id, model: model || String(recorded.revision) };
    this.described = /** @type {Record<string, Described[]>} */ (layers); // once `check` has looked at them
    this.alignment = String(recorded.alignment ?? ""); // layer.head.reading of the cross head that was taught to align
    /** @type {Map<string, LayerMaps>} */
    this.opened = new Map();
  }

  /**
   * Looks at every tensor that a map is made of; without it a layer may fail when it is looked at.
   *
   * @param {() => Promise<void> | void} [turn] called between two steps
   * @throws {BadFile} one does not fit
   */
  async check(turn = () => {}) {
    for (const site of this.summary.sites) await checkLayers(this.file, site, this.described[site.name], turn);
  }

  /** How much there is to evaluate, in multiplications. */
  get work() {
    return this.summary.sites.reduce((sum, { name, layers, heads, shape: [rows, cols] }) => {
      const [, , size] = this.file.has(`${name}.0.q`) ? this.file.shape(`${name}.0.q`) : [0, 0, 0];
      return sum + layers * heads * rows * cols * (size + 1);
    }, 0);
  }

  /**
   * What the header says of a layer.
   *
   * @param {string} site
   * @param {number} layer
   * @returns {Described}
   * @throws {Error} there is none
   */
  descriptionOf(site, layer) {
    const described = Object.hasOwn(this.described, site) ? this.described[site][layer] : undefined;
    if (!described) throw new Error(`there is no layer ${layer} of ${site}`);
    return described;
  }

  /**
   * All maps of a layer.
   *
   * @param {string} site
   * @param {number} layer
   * @throws {Error} there is none
   */
  layer(site, layer) {
    const described = this.descriptionOf(site, layer);
    const key = `${site}.${layer}`;
    const maps = this.opened.get(key) ?? new LayerMaps(this.file, site, layer, described);
    this.opened.delete(key);
    this.opened.set(key, maps); // the latest used comes last
    let bytes = 0;
    for (const [other, { q, k, lse }] of [...this.opened].reverse()) {
      bytes += q.byteLength + k.byteLength + lse.byteLength;
      if (bytes > HELD && other !== key) this.opened.delete(other);
    }
    return maps;
  }

  /**
   * The cross head that the model was taught to align by; null where there is none.
   *
   * @param {import("../types.js").Site} site
   * @returns {(import("../types.js").Head & {reading: string}) | null}
   */
  taught({ layers, heads }) {
    const match = /^(\d{1,4})\.(\d{1,4})\.(output|input)$/.exec(this.alignment);
    const [layer, head] = [Number(match?.[1] ?? NaN), Number(match?.[2] ?? NaN)];
    return match && layer < layers && head < heads ? { layer, head, reading: match[3] } : null;
  }
}

/** @param {string} json */
function parsed(json) {
  try {
    return JSON.parse(json);
  } catch {
    throw new BadFile("badSummary", { place: "trace" });
  }
}
