/** What to show first where nobody has chosen: the site, the head and the cell that say most. */

import { isFar } from "./map/atlas/levels.js";
import { brightest } from "./map/cells.js";

/** @typedef {import("./source/session.js").Session} Session */
/** @typedef {import("./types.js").Cell} Cell */
/** @typedef {import("./types.js").Head} Head */
/** @typedef {import("./types.js").HeadMap} HeadMap */
/** @typedef {import("./types.js").Site} Site */
/** @typedef {import("./types.js").State} State */

/**
 * The site that says most: what was made from what; a text that looks into a picture; a picture at its coarsest, where
 * one patch sees the most of it; else the first.
 *
 * @param {Session} session
 */
export function firstSite(session) {
  const { sites, axes } = session.summary;
  /** @param {Site} site */
  const kind = (site) => axes[site.keys].kind;
  return (
    session.findSite("cross") ??
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
  const site = session.findSite(state.site) ?? firstSite(session);
  const known = state.site === site.name && (state.layer ?? 0) < site.layers && (state.head ?? 0) < site.heads;
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
 * The head to begin with, as the service has it: of a cross site the one that aligns best, of another the one of the last
 * layer that looks most sharply at something other than a sink. Where it has none, the last layer's first.
 *
 * @param {Session} session
 * @param {string} siteName
 * @returns {Promise<Head>}
 */
export async function bestHead(session, siteName) {
  const site = session.site(siteName);
  const last = { layer: site.layers - 1, head: 0 };
  if (isFar(site)) return last; // statistics of so many cells take a while
  const { layer, head } = (await session.heads()).best?.[siteName] ?? last;
  return { layer, head };
}

/**
 * The cell to begin with: the chosen one, or the one that says most.
 *
 * @param {State} state
 * @param {Session} session
 * @param {HeadMap} map
 * @returns {Cell}
 */
export function firstCell({ site, row, col }, session, map) {
  if (row !== null && col !== null) return { row, col };
  const [first, second] = brightest(map, session.queries(site), session.keys(site));
  return { row: first, col: second };
}
