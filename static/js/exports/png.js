/** A drawing as pixels: what stands in its SVG, twice as fine. */

import { contextOf } from "../views/dom.js";
import { canvasOf } from "./pixels.js";

const RATIO = 2; // pixels of the file a CSS pixel
const MOST = 16_384; // pixels a side that browsers make canvases of

/**
 * @param {string} svg
 * @param {{width: number, height: number}} size in CSS pixels
 * @returns {Promise<Blob>}
 * @throws {Error} the browser makes no picture of it
 */
export async function pngOf(svg, { width, height }) {
  const ratio = Math.min(RATIO, MOST / Math.max(width, height));
  const picture = new Image();
  picture.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svg)}`;
  await picture.decode();
  const canvas = canvasOf(Math.round(width * ratio), Math.round(height * ratio));
  contextOf(canvas).drawImage(picture, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve, reject) =>
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("the picture is too large"))), "image/png"),
  );
}
