/** One step from what is on show: to the head, layer or cell beside it. */

import { inPlace } from "./map/grid/heads.js";

/** @typedef {import("./explorer.js").Explorer} Explorer */

/** @param {Explorer} explorer @param {number} by @param {"head" | "layer"} along heads in the order of the grid */
export function stepHead(explorer, by, along) {
  const { session, state } = explorer;
  if (!session || state.layer === null) return;
  const { layer: here } = state;
  const site = session.site(state.site);
  if (along === "layer") {
    const layer = Math.min(Math.max(here + by, 0), site.layers - 1);
    if (layer !== here) explorer.go({ layer }, "step");
    return;
  }
  // Before the statistics arrive there is one order only.
  const { look } = explorer.grid;
  const order = look?.site === site ? explorer.grid.order(look) : inPlace(site);
  const at = order.findIndex((row) => row.layer === state.layer && row.head === state.head);
  const next = order[at + by];
  if (at >= 0 && next) explorer.go({ layer: next.layer, head: next.head }, "step");
}

/** @param {Explorer} explorer @param {string} key an arrow with Shift */
export function stepCell(explorer, key) {
  if (!explorer.map) return;
  const { row, col } = explorer.kept;
  const down = Number(key === "Shift+ArrowDown") - Number(key === "Shift+ArrowUp");
  const right = Number(key === "Shift+ArrowRight") - Number(key === "Shift+ArrowLeft");
  const { rows, cols } = explorer.map;
  /** @param {number} index @param {number} count */
  const clip = (index, count) => Math.min(Math.max(index, 0), count - 1);
  explorer.choose({ row: clip(row + down, rows), col: clip(col + right, cols) });
}
