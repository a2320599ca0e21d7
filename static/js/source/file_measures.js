/** Measures of cells out of a trace file, where it holds what they take: what the service computes. No document here. */

import { encodeS8log } from "../api/s8log.js";

/** @typedef {import("./evaluate.js").LayerMaps} LayerMaps */
/** @typedef {import("./tensors.js").Tensors} Tensors */
/** @typedef {import("../types.js").Range} Range */
/**
 * @typedef {object} Cells of a layer, what a formula takes
 * @property {(head: number, row: number, key: number) => number} moves <dO_i, v_j>
 * @property {(head: number, row: number) => number} mean <dO_i, O_i>
 * @property {(head: number, key: number) => number} length ||v_j||
 * @property {(head: number, key: number) => number} added ||v_j W_O||
 * @property {(head: number, key: number) => number} normalised what the layer normalisation leaves of that length, but for
 * @property {(row: number) => number} deviation by which it divides a row
 * @typedef {(weight: number, cells: Cells, head: number, row: number, key: number) => number} Formula
 */

const WEIGHTS = "weights";
const LEAST_LEFT = 1e-5; // of a row without a key: less is rounding, as the service has it

/** @type {Record<string, {signed: boolean, formula: string, value: Formula}>} by the name of a measure, but the weights' */
export const FORMULAS = {
  "value-norm": {
    signed: false,
    formula: "A_ij ||v_j||",
    value: (weight, { length }, head, _, key) => weight * length(head, key),
  },
  "output-norm": {
    signed: false,
    formula: "A_ij ||v_j W_O||",
    value: (weight, { added }, head, _, key) => weight * added(head, key),
  },
  "normalised-norm": {
    signed: false,
    formula: "A_ij ||g * (f_j - mean(f_j))|| / s_i, f_j = v_j W_O",
    value: (weight, { normalised, deviation }, head, row, key) => (weight * normalised(head, key)) / deviation(row),
  },
  gradient: {
    signed: true,
    formula: "dL/dA_ij = <dO_i, v_j>",
    value: (_, { moves }, head, row, key) => moves(head, row, key),
  },
  "gradient-attention": {
    signed: true,
    formula: "A_ij <dO_i, v_j>",
    value: (weight, { moves }, head, row, key) => weight * moves(head, row, key),
  },
  "score-gradient": {
    signed: true,
    formula: "A_ij (<dO_i, v_j> - <dO_i, O_i>)",
    value: (weight, { moves, mean }, head, row, key) => weight * (moves(head, row, key) - mean(head, row)),
  },
  "cut-effect": {
    signed: true,
    formula: "A_ij / (1 - A_ij) (<dO_i, O_i> - <dO_i, v_j>)",
    value: (weight, { moves, mean }, head, row, key) => {
      const left = 1 - weight;
      return left <= LEAST_LEFT ? 0 : (weight / left) * (mean(head, row) - moves(head, row, key));
    },
  },
};

/**
 * What a layer lacks for a measure, as the name of a text; null where it has all.
 *
 * @param {Tensors} file
 * @param {string} prefix of the layer's tensors
 * @param {string} name
 */
function lackingOf(file, prefix, name) {
  if (name === WEIGHTS) return null;
  const [, , size = 0] = file.has(`${prefix}v`) ? file.shape(`${prefix}v`) : [];
  if (!size) return "lacksValues";
  if (name === "value-norm") return null;
  if (name === "output-norm") return file.has(`${prefix}output_norm`) ? null : "lacksProjection";
  if (name === "normalised-norm") return file.has(`${prefix}normalised_norm`) && file.has(`${prefix}deviation`) ? null : "lacksNormalised";
  return file.has(`${prefix}d_output`) && file.has(`${prefix}delta`) ? null : "lacksObjective";
}

/** @typedef {{name: string, signed: boolean, formula: string, sites: {site: string, lacking: string | null}[]}} Known */

/**
 * The measures that the page knows itself, and by site what a file lacks for each, as the name of a text.
 *
 * @param {Tensors} file
 * @param {import("../types.js").Site[]} sites
 * @returns {Known[]}
 */
export function knownOf(file, sites) {
  /** @param {string} name @param {boolean} signed @param {string} formula @returns {Known} */
  const one = (name, signed, formula) => ({
    name,
    signed,
    formula,
    sites: sites.map(({ name: site, layers }) => {
      const lacking = Array.from({ length: layers }, (_, layer) => lackingOf(file, `${site}.${layer}.`, name));
      return { site, lacking: lacking.find(Boolean) ?? null };
    }),
  });
  const others = Object.entries(FORMULAS).map(([name, { signed, formula }]) => one(name, signed, formula));
  return [one(WEIGHTS, false, "exp(s_ij - lse_i)"), ...others];
}

/**
 * What silencing each head does to the file's objective, to first order: minus the sum of <dO_i, O_i> over its rows.
 *
 * @param {Tensors} file
 * @param {import("../types.js").Summary} summary
 * @returns {import("../types.js").Effects}
 */
export function estimated(file, { sites, objective }) {
  /** @param {import("../types.js").Site} site */
  const grid = ({ name, layers, heads, shape }) =>
    Array.from({ length: layers }, (_, layer) => {
      const prefix = `${name}.${layer}.`;
      if (lackingOf(file, prefix, "gradient")) return Array.from({ length: heads }, () => null);
      const mean = file.floats(`${prefix}delta`);
      const sums = Array.from({ length: heads }, () => 0);
      mean.forEach((value, at) => (sums[Math.floor(at / shape[0])] -= value));
      return sums;
    });
  const effects = sites.map((site) => ({ ...site, estimated: grid(site), measured: null }));
  return { sites: effects, value: { trace: objective?.value ?? NaN }, correlation: null };
}

/** A layer's maps with a measure's values where its weights would be. */
export class MeasuredMaps {
  /** @param {LayerMaps} maps @param {string} name of a measure that the layer has all for */
  constructor(maps, name) {
    this.maps = maps;
    this.heads = maps.heads;
    this.queries = maps.queries;
    this.keys = maps.keys;
    this.encode = encodeS8log;
    this.value = FORMULAS[name].value;
    this.cells = cellsOf(maps);
  }

  /** Whether a query may see a key. @param {number} query @param {number} key */
  sees(query, key) {
    return this.maps.sees(query, key);
  }

  /**
   * The values of a block, row-major; 0 where masked.
   *
   * @param {number} head
   * @param {Range} rows half open
   * @param {Range} cols
   * @returns {Float32Array}
   */
  window(head, rows, cols) {
    const values = this.maps.window(head, rows, cols);
    const width = cols[1] - cols[0];
    for (let at = 0; at < values.length; at++) {
      const [row, key] = [rows[0] + Math.floor(at / width), cols[0] + (at % width)];
      values[at] = this.sees(row, key) ? this.value(values[at], this.cells, head, row, key) : 0;
    }
    return values;
  }
}

/** @param {LayerMaps} maps @returns {Cells} each part of the file is read when a formula first takes it */
function cellsOf({ file, prefix, heads, groups, queries, keys }) {
  /** @type {Map<string, Float32Array>} */
  const read = new Map();
  /** @param {string} part */
  const of = (part) => {
    const values = read.get(part) ?? file.floats(`${prefix}${part}`);
    read.set(part, values);
    return values;
  };
  const [, , size] = file.shape(`${prefix}v`);
  /** Where a head's value of a key begins. @param {number} head @param {number} key */
  const value = (head, key) => (Math.floor(head / (heads / groups)) * keys + key) * size;
  return {
    moves: (head, row, key) => {
      const [gradients, values] = [of("d_output"), of("v")];
      const [from, to] = [(head * queries + row) * size, value(head, key)];
      let sum = 0;
      for (let d = 0; d < size; d++) sum += gradients[from + d] * values[to + d];
      return sum;
    },
    mean: (head, row) => of("delta")[head * queries + row],
    length: (head, key) => Math.hypot(...of("v").subarray(value(head, key), value(head, key) + size)),
    added: (head, key) => of("output_norm")[head * keys + key],
    normalised: (head, key) => of("normalised_norm")[head * keys + key],
    deviation: (row) => of("deviation")[row],
  };
}
