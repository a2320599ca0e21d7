/** The view as a picture of its own: map, labels, title and colour scale on one canvas. */

import { colourAt, rampOf } from "../colour.js";
import { contextOf, cssColour } from "../../views/dom.js";
import { isolated } from "../../text/isolate.js";
import { label } from "../../text/labels.js";
import { FONT } from "../plot.js";
import { ticksOf } from "./ticks.js";

/** @typedef {import("./atlas.js").Atlas} Atlas */
/** @typedef {import("./shown.js").Drawn} Drawn */
/** @typedef {import("../geometry.js").Box} Box */

const RATIO = 2; // pixels of the file a CSS pixel
const MARGIN = 24;
const TITLE = 56; // pixels above: two lines
const LEGEND = [120, 8];
const HATCH = 6; // pixels between lines
const SANS = "system-ui, sans-serif";

/** Lines over what is masked, as on the page. @param {CanvasRenderingContext2D} context @param {Box} box */
function hatch(context, { left, top, width, height }) {
  context.save();
  context.beginPath();
  context.rect(left, top, width, height);
  context.clip();
  context.strokeStyle = cssColour("--hatch");
  context.beginPath();
  for (let x = left - height; x < left + width; x += HATCH) {
    context.moveTo(x, top + height);
    context.lineTo(x + height, top);
  }
  context.stroke();
  context.restore();
}

/**
 * @param {Atlas} atlas
 * @param {{title: string, note: string, queries: string, keys: string, low: string, high: string}} words
 * @returns {HTMLCanvasElement}
 */
export function printed(atlas, words) {
  const { labelWidth, labelHeight } = atlas;
  const { shown, box: { width, height } } = atlas.drawn;
  const box = { left: MARGIN + 20 + labelWidth, top: MARGIN + TITLE + 20 + labelHeight, width, height };
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [box.left + width + MARGIN, box.top + height + MARGIN].map((side) => side * RATIO);
  const context = contextOf(canvas);
  context.scale(RATIO, RATIO);
  context.fillStyle = cssColour("--page");
  context.fillRect(0, 0, canvas.width, canvas.height);
  if (shown.holes) hatch(context, box);
  const part = document.createElement("canvas");
  const { image } = atlas.picture(RATIO);
  [part.width, part.height] = [image.width, image.height];
  const pixels = contextOf(part);
  pixels.putImageData(image, 0, 0);
  atlas.write(pixels);
  context.imageSmoothingEnabled = false;
  context.drawImage(part, box.left, box.top, width, height);
  labels(context, atlas.drawn, box);
  context.fillStyle = cssColour("--text");
  context.font = `600 14px ${SANS}`;
  context.textAlign = "left";
  context.textBaseline = "alphabetic";
  context.fillText(words.title, MARGIN, MARGIN + 14);
  context.font = `12px ${SANS}`;
  context.fillStyle = cssColour("--quiet");
  context.fillText(words.note, MARGIN, MARGIN + 34);
  context.fillText(words.keys, box.left, box.top - labelHeight - 6);
  context.save();
  context.translate(MARGIN + 10, box.top + height);
  context.rotate(-Math.PI / 2);
  context.textAlign = "right";
  context.fillText(words.queries, height, 0);
  context.restore();
  legend(context, shown, box.left + width, MARGIN + 6, words);
  return canvas;
}

/** Those in view, as Plotly has them. @param {CanvasRenderingContext2D} context @param {Drawn} drawn @param {Box} box */
function labels(context, { view, shape, shown }, box) {
  const sides = [
    { range: view.y, count: shape[0], pixels: box.height, each: 28, axis: shown.queries },
    { range: view.x, count: shape[1], pixels: box.width, each: 56, axis: shown.keys },
  ];
  context.font = `12px ${FONT}`;
  sides.forEach(({ range, count, pixels, each, axis }, side) => {
    const { step, list } = ticksOf(range, count, pixels, each);
    context.fillStyle = cssColour(step === 1 ? "--text" : "--quiet");
    for (const index of list) {
      if (index < range[0] || index > range[1]) continue;
      const along = ((index - range[0]) / (range[1] - range[0])) * pixels;
      const text = step === 1 ? label(axis, index) : String(index);
      context.save();
      context.textBaseline = "middle";
      if (side === 0) context.translate(box.left - 6, box.top + along);
      else context.translate(box.left + along, box.top - 8);
      context.textAlign = side === 0 ? "right" : "center";
      if (side === 1 && step === 1 && text.length > 2) {
        context.rotate(-Math.PI / 2);
        context.textAlign = "left";
      }
      context.fillText(isolated(text), 0, 0);
      context.restore();
    }
  });
}

/**
 * The colours from the lowest to the highest.
 *
 * @param {CanvasRenderingContext2D} context
 * @param {import("./shown.js").Shown} shown
 * @param {number} x its right end
 * @param {number} y
 * @param {{low: string, high: string}} words what the lowest and the highest are called
 */
function legend(context, shown, x, y, { low, high }) {
  const { theme } = shown;
  const ramp = rampOf(shown.palette, shown.source.unitOf(shown));
  const [width, height] = LEGEND;
  context.font = `12px ${SANS}`;
  context.textBaseline = "middle";
  context.textAlign = "right";
  context.fillText(high, x, y + height / 2);
  const left = x - 8 - context.measureText(high).width - width;
  for (let at = 0; at < width; at++) {
    context.fillStyle = `rgb(${colourAt(ramp, theme, at / (width - 1)).join(",")})`;
    context.fillRect(left + at, y, 1, height);
  }
  context.fillStyle = cssColour("--quiet");
  context.fillText(low, left - 6, y + height / 2);
}

/** @param {HTMLCanvasElement} canvas @returns {Promise<Blob>} */
export function pngOf(canvas) {
  return new Promise((resolve, reject) =>
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("the picture is too large"))), "image/png"),
  );
}
