/** Numbers drawn once and put wherever they stand again: a map's cells hold few different ones, and to set type is slow. */

import { contextOf } from "../../views/dom.js";
import { FONT } from "../plot.js";

const SIZE = 11; // CSS pixels of a number's letters
const LINE = 16; // and of its line
const MOST = 1000; // kept: what is more makes room for all

/** @type {Map<string, HTMLCanvasElement>} by number, ink and sharpness */
const stamps = new Map();

/** @param {string} text @param {string} ink @param {number} ratio screen pixels a CSS pixel */
function stampOf(text, ink, ratio) {
  const name = `${text} ${ink} ${ratio}`;
  const held = stamps.get(name);
  if (held) return held;
  const canvas = document.createElement("canvas");
  const context = contextOf(canvas);
  const font = `${SIZE * ratio}px ${FONT}`;
  context.font = font;
  canvas.width = Math.ceil(context.measureText(text).width) + 2;
  canvas.height = Math.ceil(LINE * ratio);
  context.font = font; // a canvas of another size has forgotten it
  context.fillStyle = ink;
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.fillText(text, canvas.width / 2, canvas.height / 2);
  if (stamps.size >= MOST) stamps.clear();
  stamps.set(name, canvas);
  return canvas;
}

/**
 * Draws a number about a point of a canvas, on whole pixels: sharp.
 *
 * @param {CanvasRenderingContext2D} context
 * @param {string} text
 * @param {string} ink
 * @param {[number, number]} at in screen pixels
 * @param {number} ratio screen pixels a CSS pixel
 */
export function stamp(context, text, ink, [x, y], ratio) {
  const image = stampOf(text, ink, ratio);
  context.drawImage(image, Math.round(x - image.width / 2), Math.round(y - image.height / 2));
}
