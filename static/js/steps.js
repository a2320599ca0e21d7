/** One step from what is on show: to the head, layer or cell beside it. */

import { inPlace } from "./map/grid/heads.js";
import { announce } from "./views/controls.js";

/** @typedef {import("./explorer.js").Explorer} Explorer */

/**
 * To the head beside, as the eye sees them: left and right along a line, up and down to the line before or after.
 *
 * @param {Explorer} explorer
 * @param {number} by
 * @param {"head" | "layer"} along
 */
export function stepHead(explorer, by, along) {
  const { session, state } = explorer;
  if (!session || state.layer === null) return;
  const site = session.site(state.site);
  // Before the statistics arrive there is one order only.
  const { look } = explorer.grid;
  const order = look?.site === site ? explorer.grid.order(look) : inPlace(site);
  const at = order.findIndex((row) => row.layer === state.layer && row.head === state.head);
  const next = order[at + (along === "layer" ? by * site.heads : by)]; // a line has as many as a layer
  if (at >= 0 && next) explorer.go({ layer: next.layer, head: next.head }, "step");
}

/** @param {Explorer} explorer @param {string} key an arrow with Shift */
export async function stepCell(explorer, key) {
  if (!explorer.map) return;
  const { row, col } = explorer.kept;
  const down = Number(key === "Shift+ArrowDown") - Number(key === "Shift+ArrowUp");
  const right = Number(key === "Shift+ArrowRight") - Number(key === "Shift+ArrowLeft");
  const { rows, cols } = explorer.map;
  /** @param {number} index @param {number} count */
  const clip = (index, count) => Math.min(Math.max(index, 0), count - 1);
  await explorer.choose({ row: clip(row + down, rows), col: clip(col + right, cols) });
  announce(explorer.beside.panel.sentence());
}
