/**
 * Of heads that look at what is near, in a long text: the last tokens, cell by cell. Squeezed into a thumbnail their whole
 * maps are all the same line along the diagonal.
 */

import { MASKED } from "../../api/u8log.js";
import { isLong } from "../atlas/levels.js";

/** @typedef {import("../../types.js").Head} Head */
/** @typedef {import("../../types.js").HeadRow} HeadRow */
/** @typedef {import("../../types.js").Range} Range */
/** @typedef {import("../../types.js").Site} Site */
/** @typedef {Map<string, Uint8Array>} Near codes of the last tokens, by layer and head */

export const NEAR = 32; // cells a side that are shown
const BLOCKS = 2; // thumbnail pixels that such a head's mean distance stays within
const MOST_LAYERS = 48; // of one request each

/** @param {Head} head */
export const nameOf = ({ layer, head }) => `${layer}/${head}`;

/**
 * The heads whose thumbnail would say nothing: on average they look no further than its pixels are wide.
 *
 * @param {Site} site
 * @param {HeadRow[]} rows
 * @param {number} pixels a side of a thumbnail
 */
export function localHeads(site, rows, pixels) {
  if (!isLong(site) || site.queries !== site.keys) return [];
  const most = (BLOCKS * site.shape[0]) / pixels;
  return rows.filter(({ distance }) => distance !== undefined && distance < most);
}

/**
 * @param {import("../../source/session.js").Session} session
 * @param {Site} site
 * @param {HeadRow[]} rows of the heads that are local
 * @returns {Promise<Near>}
 */
export async function nearOf(session, site, rows) {
  /** @type {Near} */
  const near = new Map();
  const [count] = site.shape;
  /** @type {Range} */
  const last = [Math.max(0, count - NEAR), count];
  const side = last[1] - last[0];
  const layers = [...new Set(rows.map(({ layer }) => layer))].slice(0, MOST_LAYERS);
  await Promise.all(
    layers.map(async (layer) => {
      const weights = await session.part(site.name, layer, last, last).catch(() => null);
      if (!weights) return; // the squeezed thumbnail stays
      for (const row of rows.filter((each) => each.layer === layer)) {
        const start = row.head * side * side;
        const codes = Uint8Array.from(weights.subarray(start, start + side * side), (weight, at) =>
          weight === 0 && at % side > Math.floor(at / side) ? MASKED : session.encode(weight),
        );
        near.set(nameOf(row), codes);
      }
    }),
  );
  return near;
}
