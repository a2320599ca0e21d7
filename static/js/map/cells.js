/** What a map says about one cell, one row. */

/** @typedef {import("../types.js").Axis} Axis */
/** @typedef {import("../types.js").HeadMap} HeadMap */

/** Whether the model could not look there at all. @param {HeadMap} map @param {number} row @param {number} col */
export function masked(map, row, col) {
  const at = (row - (map.from ?? 0)) * map.cols + col;
  const weights = map.unit ? map.seen : map.weights;
  return (map.causal && col > row) || (map.holes === true && weights?.[at] === 0);
}

/** The weights of a row. @param {HeadMap} map @param {number} row @returns {Float32Array} */
export function rowOf(map, row) {
  const start = (row - (map.from ?? 0)) * map.cols;
  return map.weights.subarray(start, start + map.cols);
}

/**
 * @param {HeadMap} map
 * @param {number} row
 * @param {number} col
 * @returns {{weight: number, masked: boolean, rank: number, of: number}} rank 1 is the row's largest, among visible cells
 */
export function cellOf(map, row, col) {
  const weights = rowOf(map, row);
  let [rank, visible] = [1, 0];
  for (let j = 0; j < map.cols; j++) {
    if (masked(map, row, j)) continue;
    visible += 1;
    if (Math.abs(weights[j]) > Math.abs(weights[col])) rank += 1;
  }
  return { weight: weights[col], masked: masked(map, row, col), rank, of: visible };
}

/**
 * @param {HeadMap} map
 * @param {number} row
 * @param {number} k
 * @returns {{col: number, weight: number}[]} largest first
 */
export function topK(map, row, k) {
  /** @type {{col: number, weight: number}[]} */
  const best = [];
  rowOf(map, row).forEach((weight, col) => {
    const size = Math.abs(weight); // of what has a sign, the farthest from 0 says most
    if ((best.length === k && size <= Math.abs(best[k - 1].weight)) || masked(map, row, col)) return;
    const at = best.findIndex((other) => Math.abs(other.weight) < size);
    best.splice(at < 0 ? best.length : at, 0, { col, weight });
    best.length = Math.min(best.length, k);
  });
  return best;
}

/**
 * @param {HeadMap} map all of it
 * @param {number} col
 * @param {number} k
 * @returns {{row: number, weight: number}[]} the queries that look at a key most, the largest first
 */
export function topOf(map, col, k) {
  const rows = Array.from({ length: map.rows }, (_, row) => ({ row, weight: map.weights[row * map.cols + col] }));
  return rows
    .filter(({ row }) => !masked(map, row, col))
    .sort((a, b) => Math.abs(b.weight) - Math.abs(a.weight))
    .slice(0, k);
}

/** The place of the largest weight, or of the value farthest from 0; the first of equals. @param {Float32Array} weights */
export function largest(weights) {
  let best = 0;
  for (let at = 1; at < weights.length; at++) if (Math.abs(weights[at]) > Math.abs(weights[best])) best = at;
  return best;
}

/** The key that a query looks at most. @param {HeadMap} map @param {number} row */
export function strongest(map, row) {
  return topK(map, row, 1)[0]?.col ?? 0;
}

/** The query that looks at a key most. @param {HeadMap} map @param {number} col */
export function mostInterested(map, col) {
  let best = 0;
  for (let row = 1; row < map.rows; row++) {
    if (Math.abs(map.weights[row * map.cols + col]) > Math.abs(map.weights[best * map.cols + col])) best = row;
  }
  return best;
}

/**
 * The cell that a word or patch means: the strongest of its row or column.
 *
 * @param {HeadMap} map
 * @param {import("../types.js").Place} place
 */
export function cellMeant(map, { rows, cols }) {
  const row = rows?.[0] ?? mostInterested(map, cols?.[0] ?? 0);
  return { row, col: cols?.[0] ?? strongest(map, row) };
}

/**
 * The cell to open with: the one that tells most, which is not on a special token; any where all are. A weight tells the
 * more the more keys there were to choose from: where one alone is seen it is 1 whatever the model does. On a text onto
 * itself the first key says nothing, where rows that have nothing to look at rest. On a picture's own map the class token asks, since the answer is read off
 * it; in a text with a picture inside, words ask the picture.
 *
 * @param {HeadMap} map
 * @param {Axis} queries
 * @param {Axis} keys
 * @returns {[number, number]}
 */
export function brightest(map, queries, keys) {
  /** @typedef {(row: number, col: number) => unknown} Allowed */
  const choosing = Array.from({ length: map.rows }, (_, row) => Math.log(choices(map, row)));
  /** @param {Allowed} allowed @returns {[number, number] | null} */
  const find = (allowed) => {
    /** @type {[number, number] | null} */
    let best = null;
    let most = -1;
    for (let row = 0; row < map.rows; row++) {
      for (let col = 0; col < map.cols; col++) {
        const tells = Math.abs(map.weights[row * map.cols + col]) * choosing[row]; // of what has a sign, the farthest from 0
        if (!(choosing[row] > 0) || tells <= most || !allowed(row, col) || masked(map, row, col)) continue;
        [best, most] = [[row, col], tells];
      }
    }
    return best;
  };
  /** @type {Allowed} */
  const words = (row, col) => !queries.special[row] && !keys.special[col];
  /** @param {number} row */
  const asks = (row) =>
    queries.kind === "image" ? queries.special[row] : !queries.special[row] && !queries.boxes?.[row];
  /** @type {Allowed} */
  const looked = (row, col) => asks(row) && !keys.special[col] && (!keys.boxes || keys.boxes[col] !== null);
  /** @type {Allowed} */
  const apart = (row, col) => words(row, col) && col > 0;
  const sinking = queries === keys && !keys.boxes && map.cols > 1 && masked(map, 0, map.cols - 1); // the first key is where a causal row rests
  const last = map.rows - 1;
  return (
    (keys.boxes && find(looked)) ??
    (sinking ? find(apart) : null) ??
    find(words) ??
    find(() => true) ?? [last, strongest(map, last)]
  );
}

/** How many keys a query sees. @param {HeadMap} map @param {number} row */
function choices(map, row) {
  let count = 0;
  for (let col = 0; col < map.cols; col++) if (!masked(map, row, col)) count += 1;
  return count;
}

/**
 * A map as shares of the site's largest value, each with its sign. Weights are that already.
 *
 * @param {HeadMap} map
 * @returns {HeadMap}
 */
export function shares(map) {
  const { unit, weights } = map;
  return unit ? { ...map, weights: weights.map((value) => Math.max(-1, Math.min(value / unit.limit, 1))) } : map;
}

/** A map as light: how large each value is beside the site's largest, without its sign. @param {HeadMap} map @returns {HeadMap} */
export function strengths(map) {
  return map.unit?.signed ? { ...map, weights: shares(map).weights.map(Math.abs) } : shares(map);
}

/**
 * A weight in full: the shortest decimal that means this float32 and no other, as the service's JSON has it.
 *
 * @param {number} weight
 */
export function exact(weight) {
  for (let digits = 6; digits < 9; digits++) {
    const short = Number(weight.toPrecision(digits));
    if (Math.fround(short) === Math.fround(weight)) return String(short);
  }
  return String(Number(weight.toPrecision(9)));
}

/**
 * A weight in four digits after the point; what is less than 1 is never written as 1.
 *
 * @param {number} weight
 */
export function fourDigits(weight) {
  if (weight > 0 && weight < 5e-5) return "<.0001";
  return weight < 1 && weight >= 0.99995 ? ">.9999" : weight.toFixed(4);
}

/** A value of any size in so many digits, its sign a minus. @param {number} value @param {number} digits */
export const rounded = (value, digits) => String(Number(value.toPrecision(digits))).replace(/^-/, "−");

const SMALL = 0.01; // the largest of a unit, under which zeros would fill a line

/**
 * A value beside the largest of its unit, of which so many digits are written.
 *
 * @param {number} value
 * @param {import("../types.js").Unit} unit
 * @param {number} digits
 */
function beside(value, { limit }, digits) {
  if (limit < SMALL) {
    if (Math.abs(value) < limit / 10 ** digits) return "0";
    return value.toExponential(digits - 3).replace(/^-/, "−");
  }
  const places = Math.min(Math.max(digits - 1 - Math.floor(Math.log10(limit)), 0), 12);
  const text = value.toFixed(places);
  return Number(text) === 0 ? "0" : text.replace(/^-/, "−");
}

/** A value of a map in a list: of a weight four digits after the point. @param {number} value @param {import("../types.js").Unit} [unit] */
export const listed = (value, unit) => (unit ? beside(value, unit, unit.limit < 1 ? 3 : 4) : fourDigits(value));

/** A value of a map in its cell. @param {number} value @param {import("../types.js").Unit} [unit] */
export const inCell = (value, unit) => (unit ? beside(value, unit, 3).replace(/^(−?)0\./, "$1.") : brief(value));

/** A weight for tight places: two digits that tell, and near 1 as many as tell it from 1. @param {number} weight */
export function brief(weight) {
  if (weight >= 1) return "1";
  if (weight >= 0.995) return Math.min(weight, 0.9999).toFixed(4).slice(1);
  if (weight >= 0.005) return weight.toFixed(2).slice(1);
  return weight > 0 ? "<.01" : "0";
}
