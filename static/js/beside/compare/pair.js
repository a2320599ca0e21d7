/** What a comparison shows: both maps, the first less the second, and which place of one is which of the other. */

import { isLong } from "../../map/atlas/levels.js";
import { siteName, t } from "../../text/i18n.js";
import { difference, divergence, farthest, inverseOf, partnersOf, partOf, same } from "./numbers.js";
import { compared, levelOf, sheetOf, sheetOfDifference } from "./sheets.js";

/** @typedef {import("../../source/session.js").Session} Session */
/** @typedef {import("../../types.js").Head} Head */
/** @typedef {import("../../types.js").Range} Range */
/** @typedef {import("./other.js").Other} Other */
/** @typedef {import("./picture.js").Sheet} Sheet */
/**
 * @typedef {object} Pair what is on show
 * @property {Session} one
 * @property {Session} two
 * @property {string} site
 * @property {Head} head of the first
 * @property {Other} other
 * @property {Sheet} first
 * @property {Sheet} second
 * @property {Sheet} less
 * @property {Int32Array} rows partners of the first's queries
 * @property {Int32Array} cols of its keys
 * @property {Int32Array} rowsBack partners of the second's
 * @property {Int32Array} colsBack
 * @property {number | null} divergence
 * @property {boolean} rough the difference is of codes, not of weights
 * @property {[number, number] | null} units what the colours' ends stand for, where the two are no weights both: their
 *   difference is that of shares of these
 */

/**
 * Both sides and their difference.
 *
 * @param {object} wanted
 * @param {Session} wanted.one
 * @param {Session} wanted.two the same where two heads are compared; where its measure is another, that of the same answer
 * @param {string} wanted.name of the site
 * @param {Head} wanted.head
 * @param {Other} wanted.other
 * @param {Range} wanted.rows in view
 * @param {Range} wanted.cols
 * @param {AbortSignal} wanted.signal
 * @returns {Promise<Pair>}
 * @throws {Error} the other answer has no such map, or there is no service to match the axes
 */
export async function paired({ one, two, name, head, other, rows, cols, signal }) {
  const [site, its] = [one.site(name), two.findSite(name)];
  if (!its || other.layer >= its.layers || other.head >= its.heads)
    throw new Error(t("compareNothing", { site: siteName(name), layer: other.layer, head: other.head }));
  const long = isLong(site) || isLong(its);
  const level = long ? levelOf(site, rows, cols) : 0;
  const served = one.source.path(name, head, "json") !== null;
  const first = await sheetOf(one, name, head, rows, cols, level, signal);
  const base = { one, two, site: name, head, other, first, rough: false, units: null };
  if (other.measure) {
    const second = await sheetOf(two, name, other, rows, cols, level, signal);
    const units = /** @type {[number, number]} */ ([farthest(first.values).most || 1, farthest(second.values).most || 1]);
    const [share, part] = [first.values.map((value) => value / units[0]), second.values.map((value) => value / units[1])];
    const [queries, keys] = [same(site.shape[0]), same(site.shape[1])];
    const places = { rows: queries, cols: keys, rowsBack: queries, colsBack: keys };
    return { ...base, second, less: { ...first, values: difference(share, part) }, ...places, divergence: null, units };
  }
  const plain = one.unitOf(name, head) === undefined; // weights, whose distances and differences the service has too
  if (one === two && !(plain && long && served && level)) {
    const second = await sheetOf(two, name, other, rows, cols, level, signal);
    const less = { ...first, values: difference(first.values, second.values) };
    const [mine, keys] = [same(site.shape[0]), same(site.shape[1])];
    const apart = long || !plain
      ? null
      : divergence(await one.map(name, head.layer, head.head), await two.map(name, other.layer, other.head));
    return { ...base, second, less, rows: mine, cols: keys, rowsBack: mine, colsBack: keys, divergence: apart, rough: level > 0 };
  }
  if (!served) throw new Error(t("compareShapes"));
  const window = long ? { rows: first.rows, cols: first.cols, level } : {};
  const place = { layer: head.layer, head: head.head, other: { layer: other.layer, head: other.head }, ...window };
  const answer = await compared([one.summary.id, two.summary.id], name, place, signal);
  const partners = { rows: partnersOf(answer.queries, site.shape[0]), cols: partnersOf(answer.keys, site.shape[1]) };
  const [itsRows, itsCols] = [partOf(partners.rows, rows, its.shape[0]), partOf(partners.cols, cols, its.shape[1])];
  const second = await sheetOf(two, name, other, itsRows, itsCols, long ? levelOf(its, itsRows, itsCols) : 0, signal);
  return {
    ...base,
    second,
    less: sheetOfDifference(/** @type {NonNullable<typeof answer.difference>} */ (answer.difference)),
    ...partners,
    rowsBack: inverseOf(partners.rows, its.shape[0]),
    colsBack: inverseOf(partners.cols, its.shape[1]),
    divergence: answer.heads[0]?.divergence ?? null,
  };
}
