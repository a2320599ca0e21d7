/** What to show first where nobody has chosen: the site, the head and the cell that say most. */

import { isFar } from "./map/atlas/levels.js";
import { brightest } from "./map/cells.js";
import { alignment, bestByStatistics, inPlace, sharpest } from "./map/grid/heads.js";

/** @typedef {import("./source/session.js").Session} Session */
/** @typedef {import("./types.js").State} State */

const SEARCHED_CELLS = 1 << 20; // maps of up to 4 MB in all are looked through for the best aligner

/**
 * The site that says most: what was made from what; a text that looks into a picture; a picture at its coarsest, where
 * one patch sees the most of it; else the first.
 */
export function firstSite(session) {
  const { sites, axes } = session.summary;
  const kind = (site) => axes[site.keys].kind;
  return (
    session.site("cross") ??
    sites.find((site) => kind(site) === "mixed") ??
    sites.findLast((site) => kind(site) === "image") ??
    sites[0]
  );
}

/**
 * The part of a state that a session's sites have; the rest is chosen anew.
 *
 * @param {State} state
 * @param {Session} session
 * @returns {State}
 */
export function fitting(state, session) {
  const site = session.site(state.site) ?? firstSite(session);
  const known = state.site === site.name && state.layer < site.layers && state.head < site.heads;
  const [rows, cols] = site.shape;
  const inside = state.row !== null && state.row < rows && state.col !== null && state.col < cols;
  return {
    ...state,
    site: site.name,
    layer: known ? state.layer : null,
    head: known ? state.head : null,
    row: inside ? state.row : null,
    col: inside ? state.col : null,
    rows: state.rows && state.rows[1] <= rows ? state.rows : null,
    cols: state.cols && state.cols[1] <= cols ? state.cols : null,
  };
}

/**
 * The head to begin with: of a cross site the one that aligns best, of another the one of the last layer that looks
 * most sharply at something other than a sink.
 *
 * @param {Session} session
 * @returns {Promise<{layer: number, head: number}>}
 */
export async function bestHead(session, siteName) {
  const site = session.site(siteName);
  const [queries, keys] = [session.queries(siteName), session.keys(siteName)];
  const cells = site.layers * site.heads * site.shape[0] * site.shape[1];
  if (isFar(site)) return { layer: site.layers - 1, head: 0 }; // statistics of so many cells take a while
  if (siteName !== "cross" || cells > SEARCHED_CELLS) {
    const rows = (await session.heads()).filter((row) => row.site === siteName);
    const last = rows.filter((row) => row.layer === site.layers - 1);
    const { layer, head } = (siteName === "cross" ? bestByStatistics(rows) : sharpest(last)) ?? { layer: 0, head: 0 };
    return { layer, head };
  }
  const places = inPlace(site);
  const maps = await Promise.all(places.map(({ layer, head }) => session.map(siteName, layer, head)));
  const scores = maps.map((map) => alignment(map, queries, keys));
  return places[scores.indexOf(Math.max(...scores))];
}

/** The cell to begin with: the chosen one, or the one that says most. @returns {{row: number, col: number}} */
export function firstCell({ site, row, col }, session, map) {
  if (row !== null && col !== null) return { row, col };
  const [first, second] = brightest(map, session.queries(site), session.keys(site));
  return { row: first, col: second };
}
