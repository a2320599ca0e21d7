/** The grid above the map: thumbnails and statistics of a site's heads. */

import { isLong } from "../atlas/levels.js";
import { theme } from "../../preferences.js";

/** @typedef {import("../../explorer.js").Explorer} Explorer */

/**
 * They come when they come; the map does not wait for them.
 *
 * @param {Explorer} explorer
 * @param {number} turn of the map on show
 */
export async function drawHeads(explorer, turn) {
  const { session, grid, tell } = explorer;
  const { sort, palette, site: name } = explorer.state;
  const scale = explorer.scale();
  const site = session.site(name);
  // Its room is taken at once, so that the map does not move when they are there.
  if (explorer.look?.site !== site)
    grid.show({ site, rows: [], thumbnails: null, sort, scale, palette, theme: theme() });
  const { layer, head } = explorer.state;
  const known = explorer.look?.site === site ? explorer.look.rows : [];
  tell.head(known, site, layer, head, session.summary.certificate);
  grid.mark(layer, head);
  await explorer.long.idle(); // a long map's own picture comes first
  if (turn !== explorer.turn) return;
  const [rows, thumbnails] = await Promise.all([
    session.heads().catch(() => []),
    session.thumbnails(name).catch(() => null),
  ]);
  if (turn !== explorer.turn) return;
  const own = rows.filter((row) => row.site === name);
  const look = { site, rows: own, thumbnails, sort, scale, palette, theme: theme() };
  const same =
    explorer.look &&
    Object.entries(look).every(([part, value]) => part === "rows" || explorer.look[part] === value);
  if (!same) grid.show(look);
  explorer.look = look;
  grid.mark(layer, head);
  tell.head(own, site, layer, head, session.summary.certificate);
}

/** Fetches a small map ahead of the click. @param {Explorer} explorer */
export function fetchAhead({ session, state }, layer, head) {
  if (session && !isLong(session.site(state.site))) session.map(state.site, layer, head).catch(() => {});
}
