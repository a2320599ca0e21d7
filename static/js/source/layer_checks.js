/** Whether a layer's tensors are what its scores, mask and bias need: ranks, sizes, kinds of numbers, and that they are numbers. */

import { BadFile, require } from "./bad_file.js";
import { isCount, isRecord } from "./tensors.js";

/** @typedef {import("./tensors.js").TensorFile} TensorFile */
/** @typedef {import("../types.js").Site} Site */
/** @typedef {(number | null)[]} Sides null: any length */

const FAR = 2 ** 40; // offsets and sizes of masks are less
const NESTED = 8; // masks in masks
const DOTS = new Set(["dot", "scaled_dot"]);

class LayerCheck {
  /** @param {TensorFile} file @param {Site} site @param {number} index */
  constructor(file, site, index) {
    this.file = file;
    this.site = site;
    this.where = `${site.name}.${index}`;
  }

  /** @param {string} name @param {Sides} sides @param {boolean} [real] */
  tensor(name, sides, real = true) {
    const { file } = this;
    const tensor = `${this.where}.${name}`;
    const shape = file.shape(tensor);
    const fits = shape.length === sides.length && sides.every((side, at) => side === null || side === shape[at]);
    require(fits && file.isReal(tensor) === real, "badTensor", { tensor });
    return shape;
  }

  /** Every whole number of a tensor is in a range. @param {string} name @param {number} low @param {number} high half open @param {number} [step] @param {number} [first] */
  within(name, low, high, step = 1, first = 0) {
    const tensor = `${this.where}.${name}`;
    const numbers = this.file.integers(tensor);
    for (let at = first; at < numbers.length; at += step)
      require(numbers[at] >= low && numbers[at] < high, "badTensor", { tensor });
  }

  /** @param {unknown} holds @param {string} what @returns {asserts holds} */
  says(holds, what) {
    require(holds, "badSummary", { place: `${this.where}.${what}` });
  }

  /** @param {unknown} entry what the header says of the layer */
  all(entry) {
    const { site } = this;
    const [queries, keys] = site.shape;
    this.says(isRecord(entry), "");
    const [, , size] = this.tensor("q", [site.heads, queries, null]);
    this.tensor("k", [site.kv_heads, keys, size]);
    const [, , values] = this.tensor("v", [site.kv_heads, keys, null]);
    this.tensor("lse", [site.heads, queries]);
    /** @type {Record<string, Sides>} what measures are made of, where the trace has it */
    const parts = {
      d_output: [site.heads, queries, values],
      delta: [site.heads, queries],
      output_norm: [site.heads, keys],
      normalised_norm: [site.heads, keys],
      deviation: [queries],
    };
    for (const [name, sides] of Object.entries(parts)) if (this.file.has(`${this.where}.${name}`)) this.tensor(name, sides);
    const { score, mask, bias } = /** @type {Record<string, unknown>} */ (entry);
    this.score(score, size);
    this.mask(mask, 0);
    if (bias !== null && bias !== undefined) this.bias(bias, true);
  }

  /** @param {unknown} score @param {number} size */
  score(score, size) {
    this.says(isRecord(score), "score");
    const { kind, scale, cap = 1, factors } = score;
    for (const number of [scale, cap]) this.says(Number.isFinite(number) && Math.abs(Number(number)) < FAR, "score");
    if (kind === "tempered") {
      const inner = score.score;
      const fits = Array.isArray(factors) && factors.length === this.site.heads && factors.every(Number.isFinite);
      this.says(fits && isRecord(inner) && !["tempered", "additive"].includes(String(inner.kind)), "score");
      this.score(inner, size);
    } else if (kind === "additive") this.tensor("vector", [size]);
    else if (kind === "soft_capped") this.says("cap" in score && cap !== 0, "score");
    else require(DOTS.has(String(kind)), "badKind", { place: this.where, kind });
  }

  /** @param {unknown} mask @param {number} depth */
  mask(mask, depth) {
    this.says(isRecord(mask) && depth < NESTED, "mask");
    const [queries, keys] = this.site.shape;
    const { kind, offset = 0, size = 0, lengths, masks, shape } = mask;
    for (const number of [offset, size])
      this.says(Number.isSafeInteger(number) && Math.abs(Number(number)) < FAR, "mask");
    switch (kind) {
      case "full":
      case "causal":
      case "sliding_window":
        return;
      case "padding":
        return this.says(Array.isArray(lengths) && lengths.length === 1 && lengths.every(isCount), "mask");
      case "both":
        this.says(Array.isArray(masks) && masks.length === 2, "mask");
        return /** @type {unknown[]} */ (masks).forEach((part) => this.mask(part, depth + 1));
      case "blocks": {
        const [length] = this.tensor("blocks", [null], false);
        return require(length >= Math.max(queries, keys), "badTensor", { tensor: `${this.where}.blocks` });
      }
      case "given":
        this.says(Array.isArray(shape) && shape[0] === queries && shape[1] === keys, "mask");
        this.tensor("visible", [Math.ceil((queries * keys) / 8)], false);
        return;
      default:
        throw new BadFile("badKind", { place: this.where, kind });
    }
  }

  /** @param {unknown} bias @param {boolean} outer whether edits may have made it */
  bias(bias, outer) {
    this.says(isRecord(bias), "bias");
    const { kind, queries: origin, base } = bias;
    const [queries, keys] = this.site.shape;
    if (kind === "edited" && outer) {
      this.edits();
      if (base !== null) this.bias(base, false);
      return;
    }
    if (kind === "toeplitz") this.says(origin === queries, "bias");
    /** @type {Record<string, Sides>} */
    const shapes = { dense: [null, queries, keys], toeplitz: [null, queries + keys - 1], windowed: [null, null, null] };
    const known = Object.hasOwn(shapes, String(kind));
    require(known, "badKind", { place: this.where, kind });
    const [heads, rows, cols] = this.tensor("bias", shapes[String(kind)]);
    require(heads === 1 || heads === this.site.heads, "badTensor", { tensor: `${this.where}.bias` });
    if (kind !== "windowed") return;
    const [length] = this.tensor("place", [null], false);
    require(length >= Math.max(queries, keys), "badTensor", { tensor: `${this.where}.place` });
    this.within("place", 0, Math.min(rows, cols));
  }

  edits() {
    const { heads } = this.site;
    const [queries, keys] = this.site.shape;
    this.tensor("factors", [heads]);
    this.tensor("cuts", [null, 5], false);
    const [rows] = this.tensor("places", [null, 2], false);
    this.tensor("given", [rows, rows ? keys : null]);
    this.within("cuts", -1, heads, 5);
    this.within("places", 0, heads, 2);
    this.within("places", 0, queries, 2, 1);
  }

  /** Of what weights are made of, whether it is numbers; minus infinity is one where it hides a cell. @param {() => Promise<void> | void} turn */
  async numbers(turn) {
    for (const [name, infinite] of /** @type {[string, boolean][]} */ (NUMBERS)) {
      const tensor = `${this.where}.${name}`;
      if (this.file.has(tensor)) require(await this.file.isNumeric(tensor, infinite, turn), "badNumbers", { tensor });
    }
  }
}

const NUMBERS = [
  ["q", false],
  ["k", false],
  ["vector", false],
  ["factors", false],
  ["lse", true],
  ["bias", true],
  ["given", true],
];

/**
 * @param {TensorFile} file
 * @param {Site} site
 * @param {unknown[]} described its layers
 * @param {() => Promise<void> | void} turn called between two steps
 * @throws {BadFile} a layer does not fit
 */
export async function checkLayers(file, site, described, turn) {
  for (const [index, entry] of described.entries()) {
    const check = new LayerCheck(file, site, index);
    check.all(entry);
    await check.numbers(turn);
    await turn();
  }
}
