/**
 * Maps out of a trace file: what the service computes, computed here.
 *
 *     A_ij = exp(score(q_i, k_j) + bias_ij - lse_i)       0 where masked
 *
 * Sums are of 64 bits, the numbers that they are of of 32: a weight is the service's to a millionth.
 */

import { encodeU8log } from "../api/u8log.js";
import { BadFile, require } from "./bad_file.js";
import { predicateOf } from "./visible.js";

/** @typedef {import("./tensors.js").Tensors} Tensors */
/** @typedef {import("./visible.js").Mask} Mask */
/** @typedef {import("../types.js").Range} Range */
/** @typedef {{kind: string, scale: number, cap?: number, score?: Score, factors?: number[]}} Score */
/** @typedef {{kind: string, queries?: number, base?: Bias | null}} Bias */
/** @typedef {{score: Score, mask: Mask, bias: Bias | null}} Described what the file's header says of a layer */
/** @typedef {(head: number, query: number, key: number) => number} Term */

const SCORES = new Set(["dot", "scaled_dot", "soft_capped", "additive"]);

export class LayerMaps {
  /**
   * @param {Tensors} file
   * @param {string} site
   * @param {number} index of the layer
   * @param {Described} described
   */
  constructor(file, site, index, described) {
    const prefix = `${site}.${index}.`;
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
    /** @type {Float32Array | null} values, which only those need who ask what a weight does */
    this.v = null;
    this.encode = encodeU8log;
    this.file = file;
    this.prefix = prefix;
    this.described = described;
    const { score } = described;
    this.score = score.score ?? score; // a tempered one is another, times a number for each head
    /** @type {number[] | null} */
    this.factors = score.factors ?? null;
    require(SCORES.has(this.score.kind), "badKind", { place: `${site}.${index}`, kind: this.score.kind });
    this.vector = this.score.kind === "additive" ? file.floats(`${prefix}vector`) : null;
    this.visible = predicateOf(described.mask, file, prefix);
    this.bias = described.bias && termOf(described.bias, file, prefix);
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
        if (!this.sees(query, key)) continue;
        weights[(query - top) * width + key - left] = Math.exp(this.logit(head, query, key) - base);
      }
    }
    return weights;
  }

  /** The values, (G, K, size of a value), row-major. @returns {Float32Array} */
  values() {
    this.v ??= this.file.floats(`${this.prefix}v`);
    return this.v;
  }

  /** Whether a query may see a key. @param {number} query @param {number} key */
  sees(query, key) {
    return !this.visible || this.visible(query, key);
  }

  /** Score and bias of a cell, whatever the mask. @param {number} head @param {number} query @param {number} key */
  logit(head, query, key) {
    const { kind, scale, cap = 0 } = this.score;
    let score = scale * this.product(head, query, key);
    if (kind === "soft_capped") score = cap * Math.tanh(score / cap);
    if (this.factors) score *= this.factors[head];
    return this.bias ? score + this.bias(head, query, key) : score;
  }

  /** <q, k>, or of additive scores v . tanh(q + k). @param {number} head @param {number} query @param {number} key */
  product(head, query, key) {
    const { q, k, size, vector } = this;
    const group = Math.floor(head / (this.heads / this.groups));
    const from = (head * this.queries + query) * size;
    const to = (group * this.keys + key) * size;
    let sum = 0;
    if (vector) {
      for (let d = 0; d < size; d++) sum += vector[d] * Math.tanh(q[from + d] + k[to + d]);
      return sum;
    }
    // Four sums at once: one waits for each of its additions, and takes three times as long.
    let [second, third, fourth, d] = [0, 0, 0, 0];
    for (const whole = size - (size % 4); d < whole; d += 4) {
      sum += q[from + d] * k[to + d];
      second += q[from + d + 1] * k[to + d + 1];
      third += q[from + d + 2] * k[to + d + 2];
      fourth += q[from + d + 3] * k[to + d + 3];
    }
    for (; d < size; d++) sum += q[from + d] * k[to + d];
    return sum + second + (third + fourth);
  }
}

/**
 * A bias as a function of its cell.
 *
 * @param {Bias} bias
 * @param {Tensors} file
 * @param {string} prefix
 * @returns {Term}
 * @throws {BadFile} it is of a kind that is not known here
 */
function termOf(bias, file, prefix) {
  if (bias.kind === "edited") return editedTerm(bias, file, prefix);
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
      throw new BadFile("badKind", { place: prefix.slice(0, -1), kind: bias.kind });
  }
}

/**
 * What edits of a pass left of a layer's bias: the bias times a number for each head; logarithms of rows that were given
 * instead; minus infinity where cells were cut.
 *
 * @param {Bias} bias
 * @param {Tensors} file
 * @param {string} prefix
 * @returns {Term}
 */
function editedTerm({ base }, file, prefix) {
  const [factors, given] = [file.floats(`${prefix}factors`), file.floats(`${prefix}given`)];
  const [cuts, places] = [file.integers(`${prefix}cuts`), file.integers(`${prefix}places`)];
  const [, keys = 0] = file.shape(`${prefix}given`);
  const inner = base ? termOf(base, file, prefix) : null;
  /** @type {Map<string, number>} rows of `given`, by head and query */
  const rows = new Map();
  for (let at = 0; at < places.length / 2; at++) rows.set(`${places[2 * at]}/${places[2 * at + 1]}`, at);
  /** @param {number} head @param {number} query @param {number} key */
  const cut = (head, query, key) => {
    for (let at = 0; at < cuts.length; at += 5) {
      const [which, start, stop, first, last] = cuts.subarray(at, at + 5);
      if ((which < 0 || which === head) && query >= start && query < stop && key >= first && key < last) return true;
    }
    return false;
  };
  return (head, query, key) => {
    if (cuts.length && cut(head, query, key)) return -Infinity;
    const row = rows.size ? rows.get(`${head}/${query}`) : undefined;
    if (row !== undefined) return given[row * keys + key];
    return inner ? inner(head, query, key) * factors[head] : 0;
  };
}
