/** Where a long map stands in its room, and Plotly's axes around it. */

import { cssColour } from "../../views/dom.js";
import { label, plotLabel, wideAs } from "../../text/labels.js";
import { CHARACTER, FONT } from "../plot.js";
import { LABEL_EVERY, LETTER_EVERY, ticksOf } from "./ticks.js";

/** @typedef {import("../geometry.js").Box} Box */
/** @typedef {import("../geometry.js").View} View */
/** @typedef {import("../../types.js").Axis} Axis */
/** @typedef {{box: Box, room: {width: number, height: number}, labelWidth: number, labelHeight: number}} Frame */

const DIGITS = 6; // of the longest number on an axis
const SAMPLED = 2000; // labels measured of an axis
const SIZE = 12; // pixels of a label's letters

/** @type {WeakMap<Axis, number>} */
const widths = new WeakMap();

/** @param {Axis} axis @returns {number} characters of its widest label, by a sample where there are many */
function widest(axis) {
  let most = widths.get(axis) ?? 0;
  if (most) return most;
  const step = Math.max(1, Math.floor(axis.labels.length / SAMPLED));
  for (let index = 0; index < axis.labels.length; index += step) most = Math.max(most, 1, wideAs(label(axis, index)));
  widths.set(axis, most);
  return most;
}

/** Pixels that a token's label needs: single letters do with a smaller face. @param {Axis} axis */
const leastOf = (axis) => (widest(axis) === 1 ? LETTER_EVERY : LABEL_EVERY);

/**
 * Margins depend on the axes alone, so that nothing jumps while the reader pans.
 *
 * @param {{width: number, height: number}} room its height is Infinity where the page is one column
 * @param {[number, number]} shape
 * @param {Axis} queries
 * @param {Axis} keys
 * @returns {Frame}
 */
export function frameOf(room, [rows, cols], queries, keys) {
  const left = Math.max(widest(queries), DIGITS) * CHARACTER + 36;
  const top = (widest(keys) > 2 ? Math.max(widest(keys) * CHARACTER, 24) : 24) + 24;
  const folded = room.height === Infinity;
  const [most, high] = [Math.max(96, room.width - left - 16), Math.max(96, room.height - top - 8)];
  // A cell is square where that leaves the shorter side something to look at.
  const scale = Math.min(most / cols, high / rows);
  const width = Math.round(Math.min(most, Math.max(cols * scale, 96)));
  const height = Math.round(Math.min(high, Math.max(rows * scale, 96)));
  const spare = folded ? 0 : Math.max(0, most - width);
  const box = { left: Math.round(left + spare / 2), top: Math.round(top), width, height };
  const whole = { width: room.width, height: folded ? box.top + height + 8 : room.height };
  return { box, room: whole, labelWidth: left - 24, labelHeight: top - 20 };
}

/**
 * One of Plotly's axes.
 *
 * @param {[number, number]} range
 * @param {ReturnType<typeof ticksOf>} ticks
 * @param {Axis} axis
 * @param {number} each pixels of a token
 */
function axisOf(range, { step, list }, axis, each) {
  const size = step === 1 ? Math.min(SIZE, Math.floor(each)) : SIZE;
  return {
    range,
    tickmode: "array",
    tickvals: list,
    ticktext: list.map((index) => (step === 1 ? plotLabel(axis, index) : String(index))),
    tickfont: { family: FONT, size, color: cssColour(step === 1 ? "--text" : "--quiet") },
    showgrid: false,
    zeroline: false,
    ticks: "",
    showline: false,
    automargin: false,
    fixedrange: false,
  };
}

/**
 * @param {Frame} frame
 * @param {View} view
 * @param {[number, number]} shape
 * @param {Axis} queries
 * @param {Axis} keys
 * @returns {import("../axis-labels.js").Layout} Plotly's layout: axes, gestures and nothing else
 */
export function layoutOf({ box, room }, view, [rows, cols], queries, keys) {
  const across = ticksOf(view.x, cols, box.width, DIGITS * CHARACTER + 12, leastOf(keys));
  const down = ticksOf(view.y, rows, box.height, 28, leastOf(queries));
  const right = room.width - box.left - box.width;
  const bottom = room.height - box.top - box.height;
  return {
    width: room.width,
    height: room.height,
    margin: { l: box.left, t: box.top, r: right, b: bottom, pad: 4 },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)", // the canvas lies below
    hovermode: false, // gestures.js finds cells within a frame; Plotly takes its time
    dragmode: "pan",
    showlegend: false,
    xaxis: {
      ...axisOf([...view.x], across, keys, box.width / (view.x[1] - view.x[0])),
      side: "top",
      tickangle: across.step === 1 && across.list.some((index) => wideAs(label(keys, index)) > 2) ? -90 : 0,
    },
    yaxis: axisOf([view.y[1], view.y[0]], down, queries, box.height / (view.y[1] - view.y[0])),
  };
}
