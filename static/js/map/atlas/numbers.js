/** Weights written in their cells, where few enough are in view to be read: exact ones, fetched as one window. */

import { brief } from "../cells.js";
import { cellsIn } from "../geometry.js";
import { FONT } from "../plot.js";

/** @typedef {import("./atlas.js").Atlas} Atlas */

const MOST = 400; // cells in view; more numbers are unreadable
const ROOM = [34, 18]; // pixels that a number needs
const DARK_BELOW = 0.18; // relative luminance: under it white is read better

/** Whether black or white is read better on a colour. @param {ArrayLike<number>} rgb 0..255 */
export function inkOn([r, g, b]) {
  const linear = [r, g, b].map((value) => (value / 255) ** 2.2);
  return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] > DARK_BELOW ? "#101010" : "#ffffff";
}

export class Numbers {
  /** @param {() => void} arrived */
  constructor(arrived) {
    this.arrived = arrived;
    this.clear();
  }

  clear() {
    this.controller?.abort();
    this.held = null;
    this.asked = "";
  }

  /** The cells in view, where their numbers have room. @param {Atlas} atlas */
  fitting({ view, box, shape }) {
    const wide = box.width / (view.x[1] - view.x[0]);
    const high = box.height / (view.y[1] - view.y[0]);
    const [rows, cols] = [cellsIn(view.y, shape[0]), cellsIn(view.x, shape[1])];
    const count = (rows[1] - rows[0]) * (cols[1] - cols[0]);
    return wide >= ROOM[0] && high >= ROOM[1] && count <= MOST ? { rows, cols } : null;
  }

  /** Asks for the weights in view, if they have room. @param {Atlas} atlas */
  async want(atlas) {
    const { layer, head, source } = atlas.shown;
    const place = this.fitting(atlas);
    const name = place ? JSON.stringify([layer, head, place]) : "";
    if (name === this.asked) return;
    this.clear();
    this.asked = name;
    if (!place) return;
    const { signal } = (this.controller = new AbortController());
    try {
      const weights = await source.window({ layer, head }, place.rows, place.cols, signal);
      if (signal.aborted) return;
      this.held = { ...place, layer, head, weights };
      this.arrived();
    } catch {
      if (this.asked === name) this.asked = ""; // the colours say what the numbers would; the next view asks again
    }
  }

  /** @param {Atlas} atlas @param {CanvasRenderingContext2D} context over the map's pixels */
  draw(atlas, context) {
    const { held } = this;
    const { box, view, shown, table } = atlas;
    if (!held || held.layer !== shown.layer || held.head !== shown.head || !this.fitting(atlas)) return;
    const ratio = context.canvas.width / box.width;
    const { rows, cols, weights } = held;
    context.save();
    context.font = `${11 * ratio}px ${FONT}`;
    context.textAlign = "center";
    context.textBaseline = "middle";
    for (let row = rows[0]; row < rows[1]; row++) {
      for (let col = cols[0]; col < cols[1]; col++) {
        const weight = weights[(row - rows[0]) * (cols[1] - cols[0]) + col - cols[0]];
        const known = atlas.known({ row, col });
        if (weight < 0.005 || known?.level !== 0 || known.code === 0) continue;
        context.fillStyle = inkOn(table.subarray(4 * known.code, 4 * known.code + 3));
        const x = ((col - view.x[0]) / (view.x[1] - view.x[0])) * context.canvas.width;
        const y = ((row - view.y[0]) / (view.y[1] - view.y[0])) * context.canvas.height;
        context.fillText(brief(weight), x, y);
      }
    }
    context.restore();
  }
}
