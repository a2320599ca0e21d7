/**
 * Three tiny attention models that are trained in the page: to find, among keys, the one that a query was made of.
 *
 * A query is a hidden linear map of one of the keys, and noise. The loss is −ln of the weight on that key, by one head
 * with the score dot, scaled dot or additive over projections of equal size; Adam (Kingma and Ba 2015). The additive score
 * has a bias inside its tanh: without one it is odd, and says of −q and −k the opposite of what it says of q and k. No
 * document here.
 */

import { normal } from "./numbers.js";

/** @typedef {"scaled" | "dot" | "additive"} Kind */
/** @typedef {{query: number[], keys: number[][], target: number}} Example */

export const WIDTH = 8; // of queries and keys
export const KEYS = 16;
const NOISE = 0.3; // standard deviation, beside keys of one
const RATE = 0.01;
const [FIRST, SECOND, TINY] = [0.9, 0.999, 1e-8]; // Adam's own

/** Draws examples of one hidden map. @param {() => number} draw @returns {(many: number) => Example[]} */
export function task(draw) {
  const map = normal(draw, WIDTH, WIDTH).map((line) => line.map((x) => x / Math.sqrt(WIDTH)));
  return (many) =>
    Array.from({ length: many }, () => {
      const keys = normal(draw, KEYS, WIDTH);
      const target = Math.floor(draw() * KEYS);
      const [noise] = normal(draw, 1, WIDTH);
      const query = map.map((line, at) => line.reduce((sum, x, of) => sum + x * keys[target][of], NOISE * noise[at]));
      return { query, keys, target };
    });
}

/** A matrix (rows × columns, flat) times a vector. @param {Float64Array} matrix @param {number[]} x */
function times(matrix, x) {
  const product = new Float64Array(matrix.length / x.length);
  for (let row = 0; row < product.length; row += 1) {
    let sum = 0;
    for (let col = 0; col < x.length; col += 1) sum += matrix[row * x.length + col] * x[col];
    product[row] = sum;
  }
  return product;
}

export class Learner {
  /** @param {Kind} kind @param {number} hidden width of the projections @param {() => number} draw */
  constructor(kind, hidden, draw) {
    this.kind = kind;
    this.hidden = hidden;
    this.scale = kind === "scaled" ? 1 / Math.sqrt(hidden) : 1;
    const drawn = (/** @type {number} */ many, /** @type {number} */ over) => Float64Array.from(normal(draw, 1, many)[0], (x) => x / Math.sqrt(over));
    /** @type {Record<string, Float64Array>} */
    this.weights = { q: drawn(hidden * WIDTH, WIDTH), k: drawn(hidden * WIDTH, WIDTH) };
    if (kind === "additive") Object.assign(this.weights, { v: drawn(hidden, hidden), b: drawn(hidden, 1) });
    this.steps = 0;
    const zeros = () => Object.fromEntries(Object.entries(this.weights).map(([name, each]) => [name, new Float64Array(each.length)]));
    this.means = zeros();
    this.squares = zeros();
    this.zeros = zeros;
  }

  /** How many weights it has. */
  get count() {
    return Object.values(this.weights).reduce((sum, each) => sum + each.length, 0);
  }

  /**
   * Mean loss over examples, share of them found, and the loss's gradient where it is asked for.
   *
   * @param {Example[]} examples
   * @param {Record<string, Float64Array>} [gradient] that is added to
   */
  look(examples, gradient) {
    const { weights, kind, scale, hidden } = this;
    let [loss, found] = [0, 0];
    for (const { query, keys, target } of examples) {
      const a = times(weights.q, query);
      const b = keys.map((key) => times(weights.k, key));
      const bends = kind === "additive" ? b.map((each) => each.map((x, at) => Math.tanh(x + a[at] + weights.b[at]))) : [];
      const scores = b.map((each, key) => {
        let sum = 0;
        for (let at = 0; at < hidden; at += 1) sum += kind === "additive" ? weights.v[at] * bends[key][at] : a[at] * each[at];
        return sum * scale;
      });
      const most = Math.max(...scores);
      const total = scores.reduce((sum, score) => sum + Math.exp(score - most), 0);
      loss += most + Math.log(total) - scores[target];
      found += Number(scores[target] === most);
      if (!gradient) continue;
      const da = new Float64Array(hidden);
      for (const [key, each] of b.entries()) {
        const ds = ((Math.exp(scores[key] - most) / total - Number(key === target)) * scale) / examples.length;
        for (let at = 0; at < hidden; at += 1) {
          let db = ds * a[at];
          if (kind === "additive") {
            const bend = bends[key][at];
            gradient.v[at] += ds * bend;
            db = ds * weights.v[at] * (1 - bend * bend);
            da[at] += db;
            gradient.b[at] += db;
          } else da[at] += ds * each[at];
          for (let of = 0; of < WIDTH; of += 1) gradient.k[at * WIDTH + of] += db * keys[key][of];
        }
      }
      for (let at = 0; at < hidden; at += 1) for (let of = 0; of < WIDTH; of += 1) gradient.q[at * WIDTH + of] += da[at] * query[of];
    }
    return { loss: loss / examples.length, found: found / examples.length };
  }

  /** One step of Adam. @param {Example[]} examples */
  step(examples) {
    const gradient = this.zeros();
    this.look(examples, gradient);
    this.steps += 1;
    const [first, second] = [1 - FIRST ** this.steps, 1 - SECOND ** this.steps];
    for (const [name, each] of Object.entries(this.weights)) {
      const [mean, square] = [this.means[name], this.squares[name]];
      for (let at = 0; at < each.length; at += 1) {
        const g = gradient[name][at];
        mean[at] = FIRST * mean[at] + (1 - FIRST) * g;
        square[at] = SECOND * square[at] + (1 - SECOND) * g * g;
        each[at] -= (RATE * mean[at]) / first / (Math.sqrt(square[at] / second) + TINY);
      }
    }
  }
}
