/** Statistics of heads: their order in the grid, and which of them to show first. */

/** @typedef {import("../../types.js").HeadMap} HeadMap */
/** @typedef {import("../../types.js").HeadRow} HeadRow */
/** @typedef {import("../../types.js").Axis} Axis */

/** The measures to sort by, and whether the interesting end is the small one. */
export const MEASURES = { entropy: "low", distance: "low", sink: "high", diagonal: "high" };

/** @param {import("../../types.js").Site} site @returns {{layer: number, head: number}[]} all heads, by layer, then head */
export function inPlace({ layers, heads }) {
  return Array.from({ length: layers * heads }, (_, at) => ({ layer: Math.floor(at / heads), head: at % heads }));
}

/**
 * @param {HeadRow[]} rows of one site
 * @param {string} measure empty: by layer, then head
 * @returns {HeadRow[]} a new list
 */
export function sorted(rows, measure) {
  const byPlace = (a, b) => a.layer - b.layer || a.head - b.head;
  if (!(measure in MEASURES)) return [...rows].sort(byPlace);
  const sign = MEASURES[measure] === "low" ? 1 : -1;
  return [...rows].sort((a, b) => sign * (a[measure] - b[measure]) || byPlace(a, b));
}

/**
 * How well a cross map reads as a word alignment: sharp, on words rather than end marks, covering the source, and
 * roughly in reading order. The four multiply, because a head that misses one of them does not align: one that stares
 * at the full stop is sharp, one that spreads evenly covers.
 *
 * @param {HeadMap} map
 * @param {Axis} queries
 * @param {Axis} keys
 * @returns {number} 0..1
 */
export function alignment(map, queries, keys) {
  const content = [...keys.special.keys()].filter((col) => !keys.special[col]);
  const rows = [...queries.special.keys()].filter((row) => !queries.special[row]);
  if (!content.length || !rows.length) return 0;
  let sharp = 0;
  let ordered = 0;
  const covered = new Set();
  for (const row of rows) {
    const weights = map.weights.subarray(row * map.cols, (row + 1) * map.cols);
    const best = content.reduce((winner, col) => (weights[col] > weights[winner] ? col : winner), content[0]);
    sharp += weights[best];
    covered.add(best);
    // Half a sentence away counts as out of order; nearer counts in part, since languages move their verbs.
    ordered += Math.max(0, 1 - 2 * Math.abs((row + 0.5) / rows.length - (best + 0.5) / content.length));
  }
  const coverage = covered.size / Math.min(rows.length, content.length);
  return (sharp / rows.length) * Math.min(1, coverage) * (ordered / rows.length);
}

/**
 * The best aligner by statistics alone, for maps too large to look through.
 *
 * @param {HeadRow[]} rows of one site
 * @returns {HeadRow | undefined}
 */
export function bestByStatistics(rows) {
  const score = (row) => (row.max ?? Math.exp(-row.entropy)) * (row.diagonal ?? 1) * (1 - (row.sink ?? 0));
  return rows.reduce((best, row) => (!best || score(row) > score(best) ? row : best), undefined);
}

/**
 * The head that looks most sharply at something: neither at the first token, where heads rest, nor at the query itself.
 *
 * @param {HeadRow[]} rows of one site, square maps
 * @returns {HeadRow | undefined}
 */
export function sharpest(rows) {
  const score = (row) => (row.max ?? Math.exp(-row.entropy)) * (1 - (row.diagonal ?? 0)) * (1 - (row.sink ?? 0));
  return rows.reduce((best, row) => (!best || score(row) > score(best) ? row : best), undefined);
}

/** @returns {{place: number, of: number}} the head's place, 1 first, when heads are sorted by the measure */
export function place(rows, measure, layer, head) {
  const order = sorted(rows, measure);
  return { place: 1 + order.findIndex((row) => row.layer === layer && row.head === head), of: order.length };
}
