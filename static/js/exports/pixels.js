/** Cells as pixels, where they are too many to be drawn one by one. */

import { contextOf } from "../views/dom.js";

/** @typedef {import("./sheet.js").CellsMark} CellsMark */

const FINE = 1200; // pixels that the longer side has at least: viewers that smooth pictures then smooth no more than edges

/** A canvas of some pixels. @param {number} width @param {number} height */
export function canvasOf(width, height) {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [width, height];
  return canvas;
}

/** Each block as a square of pixels; masked ones are clear. @param {CellsMark} cells @returns {HTMLCanvasElement} */
export function pixelsOf({ width, height, colours }) {
  const image = new ImageData(width, height);
  colours.forEach((colour, at) => {
    if (colour >= 0) image.data.set([colour >> 16, (colour >> 8) & 255, colour & 255, 255], 4 * at);
  });
  const small = canvasOf(width, height);
  contextOf(small).putImageData(image, 0, 0);
  const times = Math.max(1, Math.ceil(FINE / Math.max(width, height)));
  if (times === 1) return small;
  const large = canvasOf(width * times, height * times);
  const context = contextOf(large);
  context.imageSmoothingEnabled = false;
  context.drawImage(small, 0, 0, large.width, large.height);
  return large;
}
