/** The part of both maps that is in view: the state's own, so that the map and its comparison show the same. */

import { cellsIn, viewOf, zoomed } from "../../map/geometry.js";

/** @typedef {import("../../types.js").Cell} Cell */
/** @typedef {import("../../types.js").Range} Range */
/** @typedef {import("../../types.js").Site} Site */

export class Window {
  /** @param {import("../../explorer.js").Explorer} explorer */
  constructor(explorer) {
    this.explorer = explorer;
    /** @type {{rows: Range, cols: Range} | null} where a drag began */
    this.dragged = null;
  }

  /** @param {Site} site @returns {{rows: Range, cols: Range}} */
  of({ shape }) {
    const { rows, cols } = this.explorer.state;
    return { rows: rows ?? [0, shape[0]], cols: cols ?? [0, shape[1]] };
  }

  get site() {
    const { session, state } = this.explorer;
    return session?.findSite(state.site);
  }

  /** @param {Range | null} rows @param {Range | null} cols null: all */
  look(rows, cols) {
    this.explorer.record({ rows, cols }, "replace");
  }

  /** @param {Range} rows @param {Range} cols */
  set(rows, cols) {
    const [height, width] = this.site?.shape ?? [0, 0];
    const whole = rows[1] - rows[0] >= height && cols[1] - cols[0] >= width;
    if (whole) this.look(null, null);
    else this.look(rows, cols);
  }

  /** @param {number} factor under 1 shows less @param {Cell | null} cell that stays in place */
  zoom(factor, cell) {
    const { site } = this;
    if (!site || !cell) return;
    const [height, width] = site.shape;
    const { rows, cols } = this.of(site);
    const view = zoomed(viewOf(rows, cols), factor, [Math.max(cell.col, 0), Math.max(cell.row, 0)], height, width);
    this.set(cellsIn(view.y, height), cellsIn(view.x, width));
  }

  /** @param {number} cols @param {number} rows since the drag began @param {boolean} done */
  pan(cols, rows, done) {
    const { site } = this;
    if (!site) return;
    const start = (this.dragged ??= this.of(site));
    if (done) this.dragged = null;
    /** @param {Range} part @param {number} by @param {number} length @returns {Range} */
    const moved = ([low, high], by, length) => {
      const from = Math.min(Math.max(low + by, 0), length - (high - low));
      return [from, from + high - low];
    };
    this.set(moved(start.rows, rows, site.shape[0]), moved(start.cols, cols, site.shape[1]));
  }
}
