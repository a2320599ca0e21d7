/** Kinds of heads, told by their statistics: what the literature found heads to do. */

import { t } from "../../text/i18n.js";

/** @typedef {import("../../types.js").Head} Head */
/** @typedef {import("../../types.js").Heads} Heads */
/** @typedef {import("../../types.js").HeadRow} HeadRow */

/**
 * The mean weight from which a head is of a kind: that from which Gu et al. 2025, "When attention sink emerges in language
 * models", call a first key a sink. A flat head over ten keys gives none of them as much, and a head of more than three
 * kinds cannot be: its weights sum to 1.
 */
export const LEAST = 0.3;
/** Keys that a site needs for its heads to have sinks: of fewer even a flat head gives the first nearly as much. */
export const FEWEST_KEYS = 10;

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
 * @param {number} keys of the site
 * @returns {HeadRow[]}
 */
export function withKinds(rows, best, keys) {
  return rows.map((row) => ({ ...row, kinds: kindsOf(row, best?.[CROSS] ?? null, keys) }));
}

/** @param {HeadRow} row @param {Head | null} aligner @param {number} keys @returns {string[]} */
function kindsOf(row, aligner, keys) {
  const aligns = row.site === CROSS && row.layer === aligner?.layer && row.head === aligner.head;
  const told = TOLD.filter((kind) => (kind !== "sink" || keys >= FEWEST_KEYS) && (row[kind] ?? 0) >= LEAST);
  return aligns ? [ALIGNS, ...told] : told;
}

/** The kinds of a head, behind its name. @param {Partial<HeadRow>} row */
export const kindsSaid = ({ kinds = [] }) => kinds.map((kind) => ` · ${t(`kind_${kind}`)}`).join("");
