/** The few formulas that the page computes by itself, beside the service; no document here. */

/** @param {number[]} a @param {number[]} b */
export const dot = (a, b) => a.reduce((sum, x, at) => sum + x * b[at], 0);

/** @param {ArrayLike<number>} values */
export const mean = (values) => Array.from(values).reduce((sum, x) => sum + x, 0) / values.length;

/** @param {number[]} values */
export function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** @param {number[]} scores @returns {number[]} their powers of e, as shares of their sum */
export function softmax(scores) {
  const most = Math.max(...scores);
  const powers = scores.map((score) => Math.exp(score - most));
  const total = powers.reduce((sum, power) => sum + power, 0);
  return powers.map((power) => power / total);
}

/** Shannon's entropy, in nats. @param {ArrayLike<number>} weights of one row */
export const entropy = (weights) => Array.from(weights).reduce((sum, w) => (w > 0 ? sum - w * Math.log(w) : sum), 0);

/**
 * How much a row of weights gives way to its scores: the Frobenius norm of softmax's Jacobian, diag(w) − w wᵀ.
 *
 * Its square is Σ w²(1 − w)² + Σ_{i≠j} w_i² w_j², and the second sum is (Σ w²)² − Σ w⁴.
 *
 * @param {ArrayLike<number>} weights
 */
export function slope(weights) {
  const squares = Array.from(weights, (w) => w * w);
  const total = squares.reduce((sum, square) => sum + square, 0);
  return Math.sqrt(squares.reduce((sum, square, at) => sum + square * (1 - weights[at]) ** 2 - square * square, total * total));
}

/** Half the sum of differences: what share of the weight lies elsewhere. @param {ArrayLike<number>} a @param {ArrayLike<number>} b */
export const moved = (a, b) => Array.from(a).reduce((sum, x, at) => sum + Math.abs(x - b[at]), 0) / 2;

/** The largest difference of two lists. @param {number[]} a @param {number[]} b */
export const apart = (a, b) => Math.max(...a.map((x, at) => Math.abs(x - b[at])));

/** Pearson's correlation; NaN where one side is constant. @param {number[]} a @param {number[]} b */
export function pearson(a, b) {
  const [middleA, middleB] = [mean(a), mean(b)];
  const [da, db] = [a.map((x) => x - middleA), b.map((x) => x - middleB)];
  return dot(da, db) / Math.sqrt(dot(da, da) * dot(db, db));
}

/** Ranks from 0, ties sharing their mean. @param {number[]} values */
function ranks(values) {
  const order = values.map((_, at) => at).sort((a, b) => values[a] - values[b]);
  /** @type {number[]} */
  const places = new Array(values.length);
  for (let from = 0; from < order.length; ) {
    let to = from + 1;
    while (to < order.length && values[order[to]] === values[order[from]]) to += 1;
    for (let at = from; at < to; at += 1) places[order[at]] = (from + to - 1) / 2;
    from = to;
  }
  return places;
}

/** Spearman's correlation. @param {number[]} a @param {number[]} b */
export const spearman = (a, b) => pearson(ranks(a), ranks(b));

/**
 * Random numbers that the same seed gives again (mulberry32, by T. Ettinger, public domain).
 *
 * @param {number} seed
 * @returns {() => number} from 0 to 1, evenly
 */
export function even(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const DECIMALS = 4; // of random numbers, so that requests are short

/** Vectors of standard normal numbers (Box and Muller 1958). @param {() => number} draw @param {number} many @param {number} width */
export function normal(draw, many, width) {
  const one = () => Math.sqrt(-2 * Math.log(1 - draw())) * Math.cos(2 * Math.PI * draw());
  return Array.from({ length: many }, () => Array.from({ length: width }, () => Number(one().toFixed(DECIMALS))));
}

/** An order of so many things (Fisher and Yates). @param {() => number} draw @param {number} many */
export function shuffled(draw, many) {
  const order = Array.from({ length: many }, (_, at) => at);
  for (let at = many - 1; at > 0; at -= 1) {
    const other = Math.floor(draw() * (at + 1));
    [order[at], order[other]] = [order[other], order[at]];
  }
  return order;
}

/** A number as the page writes it: so many digits that matter. @param {number} value @param {number} [digits] */
export function said(value, digits = 3) {
  if (!Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  if (size === 0) return "0";
  if (size < 1e-3 || size >= 1e6) return value.toExponential(1).replace("e+", "e").replace("-", "−");
  const places = Math.max(0, digits - 1 - Math.floor(Math.log10(size)));
  const text = value.toFixed(Math.min(places, digits));
  return (Number(text) === 0 ? text.replace("-", "") : text).replace("-", "−"); // nothing is less than nothing
}

/** Bytes in the unit that suits them. @param {number} bytes */
export function saidBytes(bytes) {
  const at = Math.min(3, Math.max(0, Math.floor(Math.log10(Math.max(bytes, 1)) / 3 + 1e-9)));
  return `${Number((bytes / 1000 ** at).toPrecision(3))} ${["B", "kB", "MB", "GB"][at]}`;
}
