/** The heads of a layer as one map: their mean, or the largest of each cell. */

/** @typedef {import("../types.js").HeadMap} HeadMap */
/** @typedef {import("../types.js").Over} Over */

/**
 * @param {import("./session.js").Session} session
 * @param {string} site
 * @param {number} layer
 * @param {Over} how
 * @returns {Promise<HeadMap>}
 */
export async function reducedMap(session, site, layer, how) {
  const { heads } = session.site(site);
  const maps = await Promise.all(Array.from({ length: heads }, (_, head) => session.map(site, layer, head)));
  return { ...maps[0], weights: reduced(maps.map(({ weights }) => weights), how) };
}

/** The value farther from 0. @param {number} one @param {number} other */
const farther = (one, other) => (Math.abs(one) > Math.abs(other) ? one : other);

/** @param {Float32Array[]} maps of one length, at least one @param {Over} how */
export function reduced(maps, how) {
  const sums = new Float64Array(maps[0].length);
  for (const weights of maps)
    for (let cell = 0; cell < sums.length; cell++)
      sums[cell] = how === "mean" ? sums[cell] + weights[cell] : farther(weights[cell], sums[cell]);
  return Float32Array.from(sums, (sum) => (how === "mean" ? sum / maps.length : sum));
}
