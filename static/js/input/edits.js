/** Edits of a pass, as requests and links carry them: heads that are silenced, cells that are cut. No document here. */

/** @typedef {import("../types.js").Cut} Cut */
/** @typedef {import("../types.js").Edit} Edit */
/** @typedef {import("../types.js").Head} Head */

const MOST = 64; // edits that a link carries
const LONGEST = 60; // characters of a site's name, as the service takes it
const FURTHEST = 1e9; // beyond any position

/** @param {unknown} value @returns {value is number} */
const isPlace = (value) => typeof value === "number" && Number.isInteger(value) && value >= 0 && value < FURTHEST;

/**
 * One edit of those that this page makes; null where a value is none.
 *
 * @param {unknown} value as JSON has it
 * @returns {Edit | null}
 */
export function editOf(value) {
  if (typeof value !== "object" || value === null) return null;
  const { kind, site, layer, head, query, key, ...rest } = /** @type {Record<string, unknown>} */ (value);
  if (typeof site !== "string" || !site || site.length > LONGEST || !isPlace(layer)) return null;
  if (head !== "all" && !isPlace(head)) return null;
  const plain = rest.how !== "mean" && rest.how !== "uniform" && rest.mass !== "drop";
  if (!plain) return null; // they do something else
  if (kind === "silence") return { kind, site, layer, head };
  if (kind === "cut" && isPlace(query) && isPlace(key)) return { kind, site, layer, head, query, key };
  return null;
}

/** The edits that a link says; what is none is left out. @param {string} json @returns {Edit[]} */
export function editsOf(json) {
  try {
    const list = JSON.parse(json || "[]");
    return Array.isArray(list) ? list.slice(0, MOST).flatMap((value) => editOf(value) ?? []) : [];
  } catch {
    return [];
  }
}

/** As a link has them; empty where there are none. @param {Edit[]} [edits] */
export const editsText = (edits) => (edits?.length ? JSON.stringify(edits) : "");

/** Those that mean the same whatever the input is. @param {Edit[]} edits */
export const withoutCuts = (edits) => edits.filter(({ kind }) => kind === "silence");

/** Whether an edit is of a head, or of all of its layer. @param {Edit} edit @param {string} site @param {Head} head */
const isOf = (edit, site, { layer, head }) =>
  edit.site === site && edit.layer === layer && (edit.head === "all" || edit.head === head);

/** @param {Edit[]} edits @param {string} site @param {Head} head */
export const isSilenced = (edits, site, head) => edits.some((edit) => edit.kind === "silence" && isOf(edit, site, head));

/** The cells of a head that are cut. @param {Edit[]} edits @param {string} site @param {Head} head @returns {Cut[]} */
export const cutsOf = (edits, site, head) =>
  edits.flatMap((edit) => (edit.kind === "cut" && isOf(edit, site, head) ? [edit] : []));

/**
 * Puts an edit into force, or takes it out where it is.
 *
 * @param {Edit[]} edits
 * @param {Edit} edit
 * @returns {Edit[]} a new list
 */
export function toggled(edits, edit) {
  const text = JSON.stringify(edit);
  const rest = edits.filter((other) => JSON.stringify(other) !== text);
  return rest.length < edits.length ? rest : [...edits, edit];
}
