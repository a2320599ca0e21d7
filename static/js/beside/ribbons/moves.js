/** Where a key leads from a word: along its side, or across to what it is joined with most. No document here. */

/** @typedef {import("./lines.js").Grid} Grid */
/** @typedef {import("./units.js").Sides} Sides */
/** @typedef {{side: "keys" | "queries", index: number}} Spot */

/**
 * @param {string} key
 * @param {Spot} from
 * @param {Sides} sides
 * @param {Grid[]} grids
 * @returns {Spot | null} null where the key leads nowhere
 */
export function moved(key, { side, index }, sides, grids) {
  const { units, direction } = sides[side];
  const onward = direction === "rtl" ? -1 : 1;
  /** @type {Record<string, number>} */
  const along = { ArrowRight: index + onward, ArrowLeft: index - onward, Home: 0, End: units.length - 1 };
  const to = along[key];
  if (to !== undefined) return to >= 0 && to < units.length ? { side, index: to } : null;
  const across = side === "queries" ? "ArrowUp" : "ArrowDown";
  if (key !== across) return null;
  const other = side === "queries" ? "keys" : "queries";
  const best = strongestAcross(grids, side, index);
  return best < 0 ? null : { side: other, index: best };
}

/** The unit that one is joined with most, over all hues. @param {Grid[]} grids @param {"keys" | "queries"} side @param {number} index */
export function strongestAcross(grids, side, index) {
  let [best, most] = [-1, 0];
  for (const { weights, queries, keys } of grids) {
    const others = side === "queries" ? keys : queries;
    for (let other = 0; other < others; other++) {
      const weight = side === "queries" ? weights[index * keys + other] : weights[other * keys + index];
      if (weight > most) [best, most] = [other, weight];
    }
  }
  return best;
}
