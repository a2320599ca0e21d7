/** The grid above the map: thumbnails and statistics of a site's heads. */

import { isLong } from "../atlas/levels.js";
import { effectsHeld, withEffects } from "./effects.js";
import { withKinds } from "./kinds.js";
import { theme } from "../../preferences.js";
import { localHeads, nearOf } from "./near.js";

/** @typedef {import("../../explorer.js").Explorer} Explorer */
/** @typedef {import("./grid.js").Look} Look */

/**
 * They come when they come; the map does not wait for them.
 *
 * @param {Explorer} explorer
 * @param {import("../../source/session.js").Session} session
 * @param {number} turn of the map on show
 */
export async function drawHeads(explorer, session, turn) {
  const { grid } = explorer;
  const { panel } = explorer.beside;
  const { sort, palette, site: name, kind, rail } = explorer.state;
  const scale = explorer.scale();
  const site = session.site(name);
  // Its room is taken at once, so that the map does not move when they are there.
  const plain = { site, sort, scale, palette, theme: theme(), codes: session.codes, kind, rail };
  if (explorer.look?.site !== site) grid.show({ ...plain, rows: [], thumbnails: null, unit: undefined, effects: null });
  const { layer, head } = explorer.head;
  const known = explorer.look?.site === site ? explorer.look.rows : [];
  panel.head(known, site, layer, head, session.summary.certificate);
  grid.mark(layer, head);
  await explorer.long.idle(); // a long map's own picture comes first
  if (turn !== explorer.turn) return;
  const [{ heads, best }, thumbnails] = await Promise.all([
    session.heads().catch(() => ({ heads: [], best: undefined })),
    session.thumbnails(name).catch(() => null),
  ]);
  if (turn !== explorer.turn) return;
  const held = effectsHeld(explorer.session, explorer.state);
  const rows = withEffects(withKinds(heads.filter((row) => row.site === name), best, site), held);
  panel.head(rows, site, layer, head, session.summary.certificate);
  const local = thumbnails ? localHeads(site, rows, thumbnails.shape[2]) : [];
  const near = local.length ? await session.keep(`near/${name}`, () => nearOf(session, site, local), 0) : undefined;
  if (turn !== explorer.turn) return;
  const look = { ...plain, rows, thumbnails, near, unit: session.unitOf(name, { layer, head }), effects: held };
  const before = explorer.look;
  const parts = /** @type {(keyof Look)[]} */ (Object.keys(look));
  if (!before || !parts.every((part) => part === "rows" || before[part] === look[part])) grid.show(look);
  explorer.look = look;
  for (const feature of explorer.beside.features) feature.heads?.();
  grid.mark(layer, head);
}

/** Fetches a small map ahead of the click. @param {Explorer} explorer @param {number} layer @param {number} head */
export function fetchAhead({ measured: session, state }, layer, head) {
  if (session && !isLong(session.site(state.site))) session.map(state.site, layer, head).catch(() => {});
}
