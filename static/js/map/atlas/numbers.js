/** Weights written in their cells, where few enough are in view to be read: exact ones, fetched as one window. */

import { inCell } from "../cells.js";
import { inkOn } from "../colour.js";
import { cellsIn } from "../geometry.js";
import { FONT } from "../plot.js";

/** @typedef {import("./shown.js").Drawn} Drawn */
/** @typedef {import("../../types.js").Range} Range */
/** @typedef {{rows: Range, cols: Range}} Place the cells in view */

const MOST = 400; // cells in view; more numbers are unreadable
const ROOM = [38, 18]; // pixels that a number needs
const LEAST = 0.005; // of the largest: less is not written

export class Numbers {
  /** @param {() => void} arrived */
  constructor(arrived) {
    this.arrived = arrived;
    /** @type {AbortController | null} */
    this.controller = null;
    /** @type {(Place & import("../../types.js").Head & {weights: Float32Array}) | null} */
    this.held = null;
    this.asked = "";
  }

  clear() {
    this.controller?.abort();
    this.held = null;
    this.asked = "";
  }

  /** The cells in view, where their numbers have room. @param {Drawn} drawn @returns {Place | null} */
  fitting({ view, box, shape }) {
    const wide = box.width / (view.x[1] - view.x[0]);
    const high = box.height / (view.y[1] - view.y[0]);
    const [rows, cols] = [cellsIn(view.y, shape[0]), cellsIn(view.x, shape[1])];
    const count = (rows[1] - rows[0]) * (cols[1] - cols[0]);
    return wide >= ROOM[0] && high >= ROOM[1] && count <= MOST ? { rows, cols } : null;
  }

  /** Asks for the weights in view, if they have room. @param {Drawn} drawn */
  async want(drawn) {
    const { layer, head, source } = drawn.shown;
    const place = this.fitting(drawn);
    const name = place ? JSON.stringify([layer, head, place]) : "";
    if (name === this.asked) return;
    this.clear();
    this.asked = name;
    if (!place) return;
    this.controller = new AbortController();
    const { signal } = this.controller;
    try {
      const weights = await source.exactWindow({ layer, head }, place.rows, place.cols, signal);
      if (signal.aborted) return;
      this.held = { ...place, layer, head, weights };
      this.arrived();
    } catch {
      if (this.asked === name) this.asked = ""; // the colours say what the numbers would; the next view asks again
    }
  }

  /**
   * @param {Drawn} drawn
   * @param {Uint8ClampedArray} table RGBA of each code
   * @param {(cell: import("../../types.js").Cell) => {code: number, level: number} | null} known what a tile says of a cell
   * @param {CanvasRenderingContext2D} context over the map's pixels
   */
  draw(drawn, table, known, context) {
    const { held } = this;
    const { box, view, shown } = drawn;
    if (!held || held.layer !== shown.layer || held.head !== shown.head || !this.fitting(drawn)) return;
    const ratio = context.canvas.width / box.width;
    const { rows, cols, weights } = held;
    const unit = shown.source.unitOf(shown);
    const least = LEAST * (unit?.limit ?? 1);
    context.save();
    context.font = `${11 * ratio}px ${FONT}`;
    context.textAlign = "center";
    context.textBaseline = "middle";
    for (let row = rows[0]; row < rows[1]; row++) {
      for (let col = cols[0]; col < cols[1]; col++) {
        const weight = weights[(row - rows[0]) * (cols[1] - cols[0]) + col - cols[0]];
        const seen = known({ row, col });
        if (Math.abs(weight) < least || seen?.level !== 0 || seen.code === 0) continue;
        context.fillStyle = inkOn(table.subarray(4 * seen.code, 4 * seen.code + 3));
        const x = ((col - view.x[0]) / (view.x[1] - view.x[0])) * context.canvas.width;
        const y = ((row - view.y[0]) / (view.y[1] - view.y[0])) * context.canvas.height;
        context.fillText(inCell(weight, unit), x, y);
      }
    }
    context.restore();
  }
}
