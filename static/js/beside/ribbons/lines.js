/** Which lines are drawn: what words give words, and the strongest of it. No document here. */

/** @typedef {import("../../types.js").HeadMap} HeadMap */
/** @typedef {import("./units.js").Unit} Unit */
/** @typedef {{query: number, key: number, weight: number, hue: number}} Line from a query's unit to a key's */
/** @typedef {{weights: Float32Array, queries: number, keys: number}} Grid of units, row-major */

export const MOST = 400; // lines: more are a cloud, and slow
export const HUES = 6; // that are told apart, by colour-blind readers too

/**
 * What each unit of the queries gives each of the keys: the mean over its tokens of the sum over the other's, as
 * text/words.js has it.
 *
 * @param {HeadMap} map whole
 * @param {Unit[]} queries
 * @param {Unit[]} keys
 * @returns {Grid}
 */
export function gridOf(map, queries, keys) {
  const weights = new Float32Array(queries.length * keys.length);
  const unitOf = new Int32Array(map.cols).fill(-1);
  keys.forEach(({ tokens }, unit) => {
    for (const token of tokens) unitOf[token] = unit;
  });
  queries.forEach(({ tokens }, unit) => {
    const base = unit * keys.length;
    for (const row of tokens) {
      const from = row * map.cols;
      for (let col = 0; col < map.cols; col++)
        if (unitOf[col] >= 0) weights[base + unitOf[col]] += map.weights[from + col] / tokens.length;
    }
  });
  return { weights, queries: queries.length, keys: keys.length };
}

/** The mean of several heads' grids. @param {Grid[]} grids at least one @returns {Grid} */
export function meanOf(grids) {
  const [{ queries, keys }] = grids;
  const weights = new Float32Array(queries * keys);
  for (const grid of grids) for (let at = 0; at < weights.length; at++) weights[at] += grid.weights[at] / grids.length;
  return { weights, queries, keys };
}

/**
 * The strongest lines of several grids, one hue each: first the strongest of every row, then the second of each, until
 * there are enough.
 *
 * @param {Grid[]} grids of the same units
 * @param {number} least weight that is drawn
 * @param {number} [most]
 * @returns {Line[]} the weakest first, so that the strongest are drawn over them
 */
export function linesOf(grids, least, most = MOST) {
  /** @type {Line[][]} by place in their row */
  const rounds = [];
  grids.forEach(({ weights, queries, keys }, hue) => {
    for (let query = 0; query < queries; query++) {
      /** @type {Line[]} */
      const row = [];
      for (let key = 0; key < keys; key++) {
        const weight = weights[query * keys + key];
        if (weight >= least && weight > 0) row.push({ query, key, weight, hue });
      }
      row.sort((a, b) => b.weight - a.weight);
      row.slice(0, most).forEach((line, place) => (rounds[place] ??= []).push(line));
    }
  });
  /** @type {Line[]} */
  const lines = [];
  for (const round of rounds) {
    if (lines.length >= most) break;
    round.sort((a, b) => b.weight - a.weight);
    lines.push(...round.slice(0, most - lines.length));
  }
  return lines.sort((a, b) => a.weight - b.weight);
}

/**
 * All lines of some units, weaker ones than `linesOf` draws too.
 *
 * @param {Grid[]} grids
 * @param {"queries" | "keys"} side on which the units stand
 * @param {number[]} units
 * @param {number} least
 */
export function linesAt(grids, side, units, least) {
  /** @type {Line[]} */
  const lines = [];
  grids.forEach(({ weights, queries, keys }, hue) => {
    for (const unit of units) {
      const others = side === "queries" ? keys : queries;
      for (let other = 0; other < others; other++) {
        const [query, key] = side === "queries" ? [unit, other] : [other, unit];
        const weight = weights[query * keys + key];
        if (weight >= least && weight > 0) lines.push({ query, key, weight, hue });
      }
    }
  });
  return lines.sort((a, b) => a.weight - b.weight).slice(-MOST);
}

/**
 * A line's ink: a weight of 1 is full and broad, little is faint and thin.
 *
 * @param {number} weight
 * @returns {{opacity: number, width: number}} pixels
 */
export function ink(weight) {
  const part = Math.min(Math.max(weight, 0), 1);
  return { opacity: 0.1 + 0.85 * part, width: 0.75 + 5.25 * part };
}
