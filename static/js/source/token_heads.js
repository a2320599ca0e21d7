/** What tells heads by which token a key is: the service's own measures (`model/measures/token_heads.py`), of a file. */

import { sampled } from "./glance.js";

/** @typedef {import("./evaluate.js").LayerMaps} LayerMaps */
/** @typedef {import("./blocks.js").Turn} Turn */
/** @typedef {import("../types.js").Axis} Axis */
/** @typedef {import("../types.js").Site} Site */
/** @typedef {{previous: number | null, duplicate: number | null, induction: number | null}} ByToken */

const ROWS = 256; // of a longer map, as the service takes them
const CROSS = "cross";

/** The ids of a site's positions, where its keys are its own text's tokens; else null. @param {Site} site @param {Axis} keys */
export const idsOf = ({ name, shape }, keys) =>
  keys.kind === "text" && name !== CROSS && shape[0] === shape[1] && keys.ids.length === shape[1] ? keys.ids : null;

/**
 * The mean weight on the token before, on equal tokens elsewhere, and on what followed these, over the rows that see such
 * keys; null where none does.
 *
 * @param {LayerMaps} maps
 * @param {number} head
 * @param {number[] | null} ids of the tokens
 * @param {Turn} turn after each row
 * @returns {Promise<ByToken>}
 */
export async function tokenStatisticsOf(maps, head, ids, turn) {
  if (!ids) return { previous: null, duplicate: null, induction: null };
  /** @type {Record<keyof ByToken, (row: number, key: number) => boolean>} */
  const matches = {
    previous: (row, key) => key === row - 1,
    duplicate: (row, key) => key !== row && ids[key] === ids[row],
    induction: (row, key) => key > 0 && key - 1 !== row && ids[key - 1] === ids[row],
  };
  const names = /** @type {(keyof ByToken)[]} */ (Object.keys(matches));
  const sums = { previous: 0, duplicate: 0, induction: 0 };
  const counts = { ...sums };
  for (const row of sampled(maps.queries, ROWS)) {
    const weights = maps.window(head, [row, row + 1], [0, maps.keys]);
    for (const name of names) {
      let seen = false;
      for (let key = 0; key < maps.keys; key++) {
        if (!matches[name](row, key) || !maps.sees(row, key)) continue;
        seen = true;
        sums[name] += weights[key];
      }
      if (seen) counts[name] += 1;
    }
    await turn();
  }
  const [previous, duplicate, induction] = names.map((name) => (counts[name] ? sums[name] / counts[name] : null));
  return { previous, duplicate, induction };
}
