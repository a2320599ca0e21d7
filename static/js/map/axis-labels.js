/** The labels of two axes on a canvas, where Plotly puts them: they are there before it is. */

import { sharpContext } from "../views/dom.js";

/** @typedef {import("./plot.js").Options} Options */
/**
 * @typedef {object} AxisLayout what of Plotly's axes is read here
 * @property {[number, number]} range
 * @property {number[]} tickvals
 * @property {string[]} ticktext as Plotly reads it: with its own signs for < > &
 * @property {{family: string, size: number, color: string}} tickfont
 * @property {number} [tickangle]
 * @property {"top"} [side]
 *
 * @typedef {object} Axed
 * @property {number} width
 * @property {number} height
 * @property {{l: number, t: number, r: number, b: number, pad: number}} margin
 * @property {AxisLayout} xaxis
 * @property {AxisLayout} yaxis
 *
 * @typedef {Axed & Options} Layout
 */

// Where Plotly puts labels: they end so many pixels before the map, and, in parts of their size, their letters' line is so
// far over its edge and so far below a row's middle. Slanted ones turn about half a size over that line.
const BEFORE = 5;
const OVER = 0.2;
const BELOW = 0.35;

/** @param {string} text */
const read = (text) => text.replace(/&lt;/g, "<").replace(/&gt;/g, ">").replace(/&amp;/g, "&");

/** Those in view, with their places. @param {AxisLayout} axis @param {number} start @param {number} length @param {boolean} upwards */
function placed({ range: [low, high], tickvals, ticktext }, start, length, upwards = false) {
  return tickvals
    .map((value, index) => ({ along: (value - low) / (high - low), text: read(ticktext[index]) }))
    .filter(({ along }) => along >= 0 && along <= 1)
    .map(({ along, text }) => ({ at: start + (upwards ? 1 - along : along) * length, text }));
}

/** @param {HTMLCanvasElement} canvas @param {Layout} layout */
export function drawLabels(canvas, { width, height, margin, xaxis, yaxis }) {
  const context = sharpContext(canvas, width, height);
  const across = placed(xaxis, margin.l, width - margin.l - margin.r);
  const down = placed(yaxis, margin.t, height - margin.t - margin.b, true);
  const { family, size, color } = xaxis.tickfont;
  context.font = `${size}px ${family}`;
  context.textBaseline = "alphabetic";
  context.fillStyle = color;
  const angle = xaxis.tickangle ?? 0;
  context.textAlign = angle ? "left" : "center";
  for (const { at, text } of across) {
    context.save();
    context.translate(at, margin.t - BEFORE - size * (OVER + 0.5));
    context.rotate((angle * Math.PI) / 180);
    context.fillText(text, 0, size / 2);
    context.restore();
  }
  context.font = `${yaxis.tickfont.size}px ${family}`;
  context.fillStyle = yaxis.tickfont.color;
  context.textAlign = "right";
  for (const { at, text } of down) context.fillText(text, margin.l - BEFORE, at + BELOW * yaxis.tickfont.size);
}
