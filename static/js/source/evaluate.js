/**
 * Maps out of a trace file: what the service computes, computed here.
 *
 *     A_ij = exp(score(q_i, k_j) + bias_ij - lse_i)       0 where masked
 *
 * Sums are of 64 bits, the numbers that they are of of 32: a weight is the service's to a millionth.
 */

import { editedTerm } from "./edited.js";
import { predicateOf } from "./visible.js";

/** @typedef {import("./tensors.js").TensorFile} TensorFile */
/** @typedef {import("./visible.js").Mask} Mask */
/** @typedef {import("../types.js").Range} Range */
/** @typedef {{kind: string, scale: number, cap?: number, score?: Score, factors?: number[]}} Score */
/** @typedef {{kind: string, queries?: number, base?: Bias | null}} Bias */
/** @typedef {{score: Score, mask: Mask, bias: Bias | null}} Described what the file's header says of a layer */
/** @typedef {(head: number, query: number, key: number) => number} Term */

export class LayerMaps {
  /**
   * @param {TensorFile} file
   * @param {string} site
   * @param {number} index of the layer
   * @param {Described} described
   */
  constructor(file, site, index, described) {
    const prefix = `${site}.${index}.`;
    this.file = file;
    this.prefix = prefix;
    const [heads, queries, size] = file.shape(`${prefix}q`);
    const [groups, keys] = file.shape(`${prefix}k`);
    this.heads = heads;
    this.groups = groups;
    this.queries = queries;
    this.keys = keys;
    this.size = size;
    this.q = file.floats(`${prefix}q`);
    this.k = file.floats(`${prefix}k`);
    this.lse = file.floats(`${prefix}lse`);
    const tempered = described.score.kind === "tempered";
    /** @type {number[] | null} of a pass that was edited: what each head's score is multiplied with */
    this.factors = (tempered && described.score.factors) || null;
    this.score = (tempered && described.score.score) || described.score;
    this.vector = this.score.kind === "additive" ? file.floats(`${prefix}vector`) : null;
    this.visible = predicateOf(described.mask, file, prefix);
    this.bias = described.bias && termOf(described.bias, file, prefix);
    /** @type {Float32Array | null} */
    this.held = null;
  }

  /** The values (G K E), read when they are first wanted: no map needs them. */
  get v() {
    this.held ??= this.file.floats(`${this.prefix}v`);
    return this.held;
  }

  /** E, the numbers of a value. */
  get width() {
    return this.file.shape(`${this.prefix}v`)[2];
  }

  /** The keys and values of which a head takes its own. @param {number} head */
  group(head) {
    return Math.floor(head / (this.heads / this.groups));
  }

  /**
   * The exact weights of a block, row-major; 0 where masked.
   *
   * @param {number} head
   * @param {Range} rows half open
   * @param {Range} cols
   * @returns {Float32Array}
   */
  window(head, [top, bottom], [left, right]) {
    const width = right - left;
    const weights = new Float32Array((bottom - top) * width);
    for (let query = top; query < bottom; query++) {
      const base = this.lse[head * this.queries + query];
      for (let key = left; key < right; key++) {
        if (this.visible && !this.visible(query, key)) continue;
        weights[(query - top) * width + key - left] = Math.exp(this.logit(head, query, key) - base);
      }
    }
    return weights;
  }

  /** Score and bias of a cell, whatever the mask. @param {number} head @param {number} query @param {number} key */
  logit(head, query, key) {
    const score = this.scored(head, this.product(head, query, key));
    return this.bias ? score + this.bias(head, query, key) : score;
  }

  /** What becomes of a product: times the scale, soft-capped, tempered, where these are. @param {number} head @param {number} product */
  scored(head, product) {
    const { kind, scale, cap = 0 } = this.score;
    const score = kind === "soft_capped" ? cap * Math.tanh((scale * product) / cap) : scale * product;
    return this.factors ? this.factors[head] * score : score;
  }

  /** <q, k>, or of additive scores v . tanh(q + k). @param {number} head @param {number} query @param {number} key */
  product(head, query, key) {
    const { q, k, size, vector } = this;
    const from = (head * this.queries + query) * size;
    const to = (this.group(head) * this.keys + key) * size;
    let sum = 0;
    if (vector) for (let d = 0; d < size; d++) sum += vector[d] * Math.tanh(q[from + d] + k[to + d]);
    else for (let d = 0; d < size; d++) sum += q[from + d] * k[to + d];
    return sum;
  }
}

/**
 * A bias as a function of its cell.
 *
 * @param {Bias} bias
 * @param {TensorFile} file
 * @param {string} prefix
 * @returns {Term}
 * @throws {Error} it is of a kind that is not known here
 */
function termOf(bias, file, prefix) {
  if (bias.kind === "edited") return editedTerm(bias.base ? termOf(bias.base, file, prefix) : null, file, prefix);
  const name = `${prefix}bias`;
  const values = file.floats(name);
  const [heads, rows, cols] = file.shape(name);
  /** Heads share what there is once. @param {number} head */
  const of = (head) => (heads > 1 ? head : 0);
  switch (bias.kind) {
    case "dense":
      return (head, query, key) => values[(of(head) * rows + query) * cols + key];
    case "toeplitz": {
      const origin = (bias.queries ?? 1) - 1;
      return (head, query, key) => values[of(head) * rows + key - query + origin];
    }
    case "windowed": {
      const place = file.integers(`${prefix}place`);
      return (head, query, key) => values[(of(head) * rows + place[query]) * cols + place[key]];
    }
    default:
      throw new Error(`this page does not know biases of the kind ${bias.kind}`);
  }
}
