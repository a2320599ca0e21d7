/** Kinds of heads, told by their statistics: what the literature found heads to do. */

import { isCausal } from "../../source/session.js";
import { t } from "../../text/i18n.js";

/** @typedef {import("../../types.js").Head} Head */
/** @typedef {import("../../types.js").Heads} Heads */
/** @typedef {import("../../types.js").HeadRow} HeadRow */
/** @typedef {import("../../types.js").Site} Site */

/**
 * The mean weight from which a head is of a kind: that from which Gu et al. 2025, "When attention sink emerges in language
 * models", call a first key a sink. A head of more than three kinds cannot be: its weights sum to 1.
 */
export const LEAST = 0.3;
/** Times the weight of a head that looks at all keys alike: of a short text that is much, and says nothing of the head. */
export const ABOVE_EVEN = 1.5;

/** @typedef {"previous" | "duplicate" | "induction" | "sink"} Statistic */
/** @type {Statistic[]} the kinds that a statistic of the same name tells */
const TOLD = ["previous", "duplicate", "induction", "sink"];
const ALIGNS = "aligns";
const CROSS = "cross";
/** All kinds, as chips stand. */
export const KINDS = [ALIGNS, ...TOLD];

/**
 * The same rows, each with its kinds.
 *
 * @param {HeadRow[]} rows of one site
 * @param {Heads["best"]} best which head of each site says most: of a cross site, that aligns best
 * @param {Site} site
 * @returns {HeadRow[]}
 */
export function withKinds(rows, best, site) {
  const least = leastOf(site);
  return rows.map((row) => ({ ...row, kinds: kindsOf(row, best?.[CROSS] ?? null, least) }));
}

/** The least mean weight of a kind at a site. @param {Pick<Site, "name" | "shape" | "mask">} site */
export function leastOf(site) {
  const [rows, keys] = site.shape;
  let even = 1 / keys;
  if (isCausal(/** @type {Site} */ (site))) {
    even = 0;
    for (let row = 0; row < rows; row++) even += 1 / Math.min(row + 1, keys) / rows;
  }
  return Math.max(LEAST, ABOVE_EVEN * even);
}

/** @param {HeadRow} row @param {Head | null} aligner @param {number} least @returns {string[]} */
function kindsOf(row, aligner, least) {
  const aligns = row.site === CROSS && row.layer === aligner?.layer && row.head === aligner.head;
  const told = TOLD.filter((kind) => (row[kind] ?? 0) >= least);
  return aligns ? [ALIGNS, ...told] : told;
}

/** The kinds of a head, behind its name. @param {Partial<HeadRow>} row */
export const kindsSaid = ({ kinds = [] }) => kinds.map((kind) => ` · ${t(`kind_${kind}`)}`).join("");
