/**
 * What a map is compared with, as a link says it: `cross.1.2`, `unedited`, or a trace's id, its head after it; behind a
 * `~` another measure of the cells. No document here.
 */

/** @typedef {import("../../types.js").Head} Head */
/** @typedef {import("../../types.js").Site} Site */
/** @typedef {{from: string, layer: number, head: number, measure: string}} Other `from`: HERE, UNEDITED or a
 *   trace's id; `measure` of the answer on show, instead of weights, by its name; empty: weights */

export const HERE = "";
export const UNEDITED = "unedited";
const FORM = /^([\w-]{1,60})(?:\.(\d{1,4})\.(\d{1,4}))?(?:~([a-z][a-z-]{0,39}))?$/;
const TRACE = /^[0-9a-f]{32}$/;

/** Whether a link may say it. @param {string} text */
export const isOther = (text) => FORM.test(text);

/**
 * The other side; what a link does not say, or says of another site, is what suggests itself: the unedited pass where there
 * are edits, else the next head.
 *
 * @param {string} text
 * @param {Site} site on show
 * @param {Head} head on show
 * @param {boolean} edited
 * @returns {Other}
 */
export function otherOf(text, site, head, edited) {
  const [, name = "", layer, at, measure = ""] = FORM.exec(text) ?? [];
  const named = layer !== undefined;
  const place = named ? { layer: Number(layer), head: Number(at) } : { layer: head.layer, head: head.head };
  if (TRACE.test(name)) return { from: name, ...place, measure: "" };
  const known = place.layer < site.layers && place.head < site.heads;
  if (name === UNEDITED && edited) return { from: UNEDITED, ...(known ? place : head), measure: "" };
  if (name === site.name && named && known) return { from: HERE, ...place, measure };
  return { ...(edited ? { from: UNEDITED, ...head } : { from: HERE, ...nextHead(site, head) }), measure: "" };
}

/** The head after one, in its layer; around its end. @param {Site} site @param {Head} head @returns {Head} */
export function nextHead({ layers, heads }, { layer, head }) {
  if (heads > 1) return { layer, head: (head + 1) % heads };
  return { layer: (layer + 1) % layers, head };
}

/** As a link says it. @param {Other} other @param {string} site @param {Head} shown the head on show */
export function otherText({ from, layer, head, measure }, site, shown) {
  if (from === HERE) return `${site}.${layer}.${head}${measure ? `~${measure}` : ""}`;
  return layer === shown.layer && head === shown.head ? from : `${from}.${layer}.${head}`;
}
