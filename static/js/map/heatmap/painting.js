/** A map's cells on a canvas: one pixel a cell, stretched with its edges kept, and the numbers that have room. */

import { inCell } from "../cells.js";
import { colourAt, inkOn, rampOf, tone } from "../colour.js";
import { contextOf, slideOver } from "../../views/dom.js";
import { beyond, cellsIn } from "../geometry.js";
import { blockSize, pooled } from "./pool.js";
import { stamp } from "./stamps.js";

/** @typedef {import("../geometry.js").View} View */
/** @typedef {import("./heatmap.js").Frame} Frame */
/** @typedef {import("./heatmap.js").Shown} Shown */
/** @typedef {{z: (number | null)[][], n: number, row: number, col: number, image: HTMLCanvasElement, name: string}} Picture */

const MOST_NUMBERS = 500; // cells in view with their weight written in them; more are unreadable and slow
const ROOM_FOR_NUMBER = [36, 18];
const LEAST = 0.005; // of the largest: less is not written: the colour says that there is nothing
const STEPS = 1024; // colours of a scale: more than a screen shows
const SHARPEST = 3; // screen pixels a CSS pixel that are drawn

/** @type {Map<string, Uint32Array>} colours by ramp and theme, as pixels */
const tables = new Map();

/** @param {import("../colour.js").Ramp} ramp @param {import("../../types.js").Theme} theme */
function tableOf(ramp, theme) {
  const name = `${ramp} ${theme}`;
  let table = tables.get(name);
  if (!table) {
    table = new Uint32Array(STEPS + 1);
    const bytes = new Uint8ClampedArray(table.buffer);
    for (let step = 0; step <= STEPS; step++) bytes.set([...colourAt(ramp, theme, step / STEPS), 255], 4 * step);
    tables.set(name, table);
  }
  return table;
}

export class Painting {
  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    this.canvas = canvas;
    /** @type {WeakMap<import("../../types.js").HeadMap, Picture>} the last of each map */
    this.pictures = new WeakMap();
  }

  hide() {
    this.canvas.hidden = true;
    delete this.canvas.dataset.state;
  }

  /**
   * The cells in view and as many around, since a drag uncovers them.
   *
   * @param {Shown} shown
   * @param {View} view
   * @returns {Picture}
   */
  picture({ map, scale, palette, theme }, view) {
    const around = beyond(view);
    const n = blockSize(cellsIn(view.y, map.rows), cellsIn(view.x, map.cols));
    const [rows, cols] = [cellsIn(around.y, map.rows), cellsIn(around.x, map.cols)];
    const name = JSON.stringify([n, rows, cols, scale, palette, theme]);
    const held = this.pictures.get(map);
    if (held?.name === name) return held;
    const { z, row, col } = pooled(map, rows, cols, n);
    const image = document.createElement("canvas");
    image.width = z[0]?.length ?? 1;
    image.height = z.length;
    const data = new ImageData(image.width, image.height);
    const pixels = new Uint32Array(data.data.buffer);
    const table = tableOf(rampOf(palette, map.unit), theme);
    z.forEach((line, i) =>
      line.forEach((weight, j) => {
        // Masked cells stay holes: the hatched sheet below shows through.
        if (weight !== null) pixels[i * image.width + j] = table[Math.round(tone(weight, scale, map.unit) * STEPS)];
      }),
    );
    contextOf(image).putImageData(data, 0, 0);
    const picture = { z, n, row, col, image, name };
    this.pictures.set(map, picture);
    return picture;
  }

  /**
   * @param {Shown} shown
   * @param {View} view
   * @param {Frame} frame
   * @returns {number} cells a side of a drawn block
   */
  draw(shown, view, { box }) {
    const picture = this.picture(shown, view);
    const { canvas } = this;
    const ratio = Math.min(window.devicePixelRatio || 1, SHARPEST);
    const [width, height] = [Math.round(box.width * ratio), Math.round(box.height * ratio)];
    if (canvas.width !== width) canvas.width = width;
    if (canvas.height !== height) canvas.height = height;
    slideOver(canvas, box);
    const context = contextOf(canvas);
    context.clearRect(0, 0, width, height);
    context.imageSmoothingEnabled = false;
    const { n, row, col, image } = picture;
    const across = width / (view.x[1] - view.x[0]);
    const down = height / (view.y[1] - view.y[0]);
    const [left, top] = [(col - 0.5 - view.x[0]) * across, (row - 0.5 - view.y[0]) * down];
    context.drawImage(image, left, top, image.width * n * across, image.height * n * down);
    if (n === 1 && this.fits(shown, view, box)) this.write(context, picture, shown, view, ratio);
    canvas.dataset.state = "complete";
    return n;
  }

  /** Whether numbers have room. @param {Shown} shown @param {View} view @param {Frame["box"]} box */
  fits({ map }, view, box) {
    const [rows, cols] = [cellsIn(view.y, map.rows), cellsIn(view.x, map.cols)];
    const wide = box.width / (view.x[1] - view.x[0]);
    const high = box.height / (view.y[1] - view.y[0]);
    const count = (rows[1] - rows[0]) * (cols[1] - cols[0]);
    return wide >= ROOM_FOR_NUMBER[0] && high >= ROOM_FOR_NUMBER[1] && count <= MOST_NUMBERS;
  }

  /** @param {CanvasRenderingContext2D} context @param {Picture} picture @param {Shown} shown @param {View} view @param {number} ratio */
  write(context, { z, row, col }, { map, scale, palette, theme }, view, ratio) {
    const { width, height } = context.canvas;
    const [rows, cols] = [cellsIn(view.y, map.rows), cellsIn(view.x, map.cols)];
    const ramp = rampOf(palette, map.unit);
    const least = LEAST * (map.unit?.limit ?? 1);
    for (let i = rows[0]; i < rows[1]; i++) {
      for (let j = cols[0]; j < cols[1]; j++) {
        const weight = z[i - row]?.[j - col] ?? null;
        if (weight === null || Math.abs(weight) < least) continue;
        const ink = inkOn(colourAt(ramp, theme, tone(weight, scale, map.unit)));
        const x = ((j - view.x[0]) / (view.x[1] - view.x[0])) * width;
        const y = ((i - view.y[0]) / (view.y[1] - view.y[0])) * height;
        stamp(context, inCell(weight, map.unit), ink, [x, y + ratio], ratio);
      }
    }
  }
}
