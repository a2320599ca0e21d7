/**
 * How one weight arose, number by number, out of a trace's own tensors. No document here.
 *
 *     s_ij = scale * <q_i, k_j>, soft-capped, plus bias; lse_i = log sum_j exp(s_ij); A_ij = exp(s_ij - lse_i); o_i = sum_j A_ij v_j
 *
 * Sums are of 64 bits over numbers of 32, as in source/evaluate.js: the weight here is the map's.
 */

/** @typedef {import("../../source/evaluate.js").LayerMaps} LayerMaps */
/**
 * @typedef {object} Unfolded
 * @property {number} head
 * @property {number | null} group whose keys and values the head shares; null: it has its own
 * @property {number} row the query, i
 * @property {number} col the key, j
 * @property {string} kind of the score
 * @property {Float32Array} q (D); of a bilinear score W q, as the trace keeps it
 * @property {Float32Array} k (D)
 * @property {Float32Array | null} vector (D) of an additive score
 * @property {Float64Array} terms (D) what each dimension adds to the product
 * @property {number} product
 * @property {number} scale
 * @property {number} scaled
 * @property {number | null} cap of a soft-capped score
 * @property {number} capped the scaled product itself where there is no cap
 * @property {number | null} factor of a tempered head
 * @property {number} score before the bias
 * @property {number | null} bias -Infinity where the edge was cut; null: the layer has none
 * @property {number} logit the score and the bias, whatever the mask
 * @property {boolean} visible whether the mask and the edits let the query see the key
 * @property {Float64Array} scores (K) of the row, -Infinity where it sees nothing
 * @property {number} seen how many keys the row sees
 * @property {number} lse as the kernel left it
 * @property {number} sum the logarithm of the row's own sum of exponentials
 * @property {number} sink the share of the row that goes to no key: 0 but where the head has a sink
 * @property {number} weight
 * @property {Float64Array} weights (K)
 * @property {number} total of the row's weights
 * @property {number} rank of the weight in its row, 1 the largest
 * @property {Float32Array} v (E) the key's value
 * @property {Float64Array} part (E) the weight times the value
 * @property {Float64Array} output (E) what the head gives the query
 * @property {number} share of the output's own direction that this part makes up; 1 where it is all of it
 */

const ROUNDING = 1e-3; // of a log-sum-exp in half precision; a sink that takes less is not told from it

/**
 * @param {LayerMaps} maps of the layer
 * @param {number} head
 * @param {number} row
 * @param {number} col
 * @returns {Unfolded}
 */
export function unfold(maps, head, row, col) {
  const { size, vector } = maps;
  const { kind, scale, cap = null } = maps.score;
  const group = Math.floor(head / (maps.heads / maps.groups));
  const values = maps.values();
  const width = values.length / (maps.groups * maps.keys);
  const q = slice(maps.q, head * maps.queries + row, size);
  const k = slice(maps.k, group * maps.keys + col, size);
  const terms = termsOf(q, k, vector);
  const product = maps.product(head, row, col);
  const scaled = scale * product;
  const bias = maps.bias ? maps.bias(head, row, col) : null;
  const scores = scoresOf(maps, head, row);
  const lse = maps.lse[head * maps.queries + row];
  const sum = logSumExp(scores);
  const weights = scores.map((score) => (score === -Infinity ? 0 : Math.exp(score - lse)));
  const weight = weights[col];
  const v = slice(values, group * maps.keys + col, width);
  const part = Float64Array.from(v, (value) => weight * value);
  const output = mixed(values.subarray(group * maps.keys * width), width, weights);
  const length = dot(output, output);
  const capped = cap === null ? scaled : cap * Math.tanh(scaled / cap);
  const factor = maps.factors ? maps.factors[head] : null;
  const gone = sum === -Infinity ? 0 : 1 - Math.exp(sum - lse);
  return {
    ...{ head, row, col, kind, q, k, vector, terms, product, scale, scaled, cap, bias, scores, lse, sum, weights, weight },
    ...{ v, part, output },
    group: maps.groups < maps.heads ? group : null,
    ...{ capped, factor, score: factor === null ? capped : factor * capped },
    logit: maps.logit(head, row, col),
    visible: scores[col] !== -Infinity,
    seen: count(scores, (score) => score !== -Infinity),
    sink: gone > ROUNDING ? gone : 0,
    total: weights.reduce((total, each) => total + each, 0),
    rank: 1 + count(weights, (each) => each > weight),
    share: length > 0 ? dot(part, output) / length : 0,
  };
}

/** A row of a matrix. @param {Float32Array} data @param {number} at @param {number} size */
const slice = (data, at, size) => data.subarray(at * size, (at + 1) * size);

/** @param {Float64Array} values @param {(value: number) => boolean} holds */
function count(values, holds) {
  let total = 0;
  for (const value of values) if (holds(value)) total += 1;
  return total;
}

/** @param {ArrayLike<number>} a @param {ArrayLike<number>} b */
function dot(a, b) {
  let sum = 0;
  for (let at = 0; at < a.length; at++) sum += a[at] * b[at];
  return sum;
}

/** The Euclidean length. @param {ArrayLike<number>} values */
export const norm = (values) => Math.sqrt(dot(values, values));

/** @param {Float32Array} q @param {Float32Array} k @param {Float32Array | null} vector */
function termsOf(q, k, vector) {
  return Float64Array.from(q, (value, d) => (vector ? vector[d] * Math.tanh(value + k[d]) : value * k[d]));
}

/** @param {LayerMaps} maps @param {number} head @param {number} row */
function scoresOf(maps, head, row) {
  const scores = new Float64Array(maps.keys);
  for (let key = 0; key < maps.keys; key++)
    scores[key] = maps.sees(row, key) ? maps.logit(head, row, key) : -Infinity;
  return scores;
}

/** Of scores so large that their exponentials are not numbers too. @param {Float64Array} scores */
export function logSumExp(scores) {
  let most = -Infinity;
  for (const score of scores) most = Math.max(most, score);
  if (most === -Infinity) return most;
  let sum = 0;
  for (const score of scores) sum += Math.exp(score - most);
  return most + Math.log(sum);
}

/** The weighted sum of all values. @param {Float32Array} values of the head's group @param {number} width @param {Float64Array} weights */
function mixed(values, width, weights) {
  const output = new Float64Array(width);
  for (let key = 0; key < weights.length; key++) {
    if (weights[key] === 0) continue;
    for (let e = 0; e < width; e++) output[e] += weights[key] * values[key * width + e];
  }
  return output;
}
