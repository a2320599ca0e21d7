/** The heatmap as Plotly draws it: cells, numbers in them, axes with the labels that have room. */

import { inCell } from "../cells.js";
import { colourAt, inkOn, plotlyScale, rampOf, tone } from "../colour.js";
import { cssColour } from "../../views/dom.js";
import { beyond, cellsIn, ticks } from "../geometry.js";
import { plotLabel } from "../../text/labels.js";
import { FONT } from "../plot.js";
import { blockSize, pooled } from "./pool.js";

/** @typedef {import("../geometry.js").Stretch} Stretch */
/** @typedef {import("../geometry.js").View} View */
/** @typedef {import("./heatmap.js").Frame} Frame */
/** @typedef {import("./heatmap.js").Shown} Shown */
/** @typedef {import("../plot.js").Options} Options */

const MOST_NUMBERS = 500; // cells in view with their weight written in them; more are unreadable and slow
const ROOM_FOR_NUMBER = [36, 18];
const LEAST = 0.005; // less is not written: the colour says that there is nothing

/** How many times as far one stretch reaches. @param {Stretch} wide @param {Stretch} narrow */
const reach = (wide, narrow) => (wide[1] - wide[0]) / (narrow[1] - narrow[0]);

/**
 * The cells, more than are in view, so that panning uncovers them.
 *
 * @param {Shown} shown
 * @param {View} view
 * @param {Frame} frame
 * @returns {{n: number, traces: Options[]}} blocks of n x n cells
 */
export function tracesOf({ map, scale, palette, theme }, view, { box }) {
  const around = beyond(view);
  const seen = { rows: cellsIn(view.y, map.rows), cols: cellsIn(view.x, map.cols) };
  const n = blockSize(seen.rows, seen.cols);
  const { z, row, col } = pooled(map, cellsIn(around.y, map.rows), cellsIn(around.x, map.cols), n);
  const wide = box.width / (view.x[1] - view.x[0]);
  const high = box.height / (view.y[1] - view.y[0]);
  const count = (seen.rows[1] - seen.rows[0]) * (seen.cols[1] - seen.cols[0]);
  const numbers = n === 1 && wide >= ROOM_FOR_NUMBER[0] && high >= ROOM_FOR_NUMBER[1] && count <= MOST_NUMBERS;
  /** @type {Options} */
  const cells = {
    type: "heatmap",
    z: z.map((line) => line.map((weight) => (weight === null ? null : tone(weight, scale, map.unit)))),
    x0: col + (n - 1) / 2,
    dx: n,
    y0: row + (n - 1) / 2,
    dy: n,
    zmin: 0,
    zmax: 1, // locked: the same colour means the same weight under every head
    zsmooth: "fast", // an image of one pixel a cell; map.css keeps its edges. The other paths set style attributes
    colorscale: plotlyScale(rampOf(palette, map.unit), theme),
    showscale: false,
    hoverinfo: "skip",
  };
  return { n, traces: numbers ? [cells, written(z, row, col, { map, scale, palette, theme })] : [cells] };
}

/**
 * Weights in their cells, each in black or white: Plotly's own numbers on a heatmap are hard to read on middling colours.
 *
 * @param {(number | null)[][]} z
 * @param {number} row of the first line
 * @param {number} col
 * @param {Pick<Shown, "map" | "scale" | "palette" | "theme">} style
 * @returns {Options}
 */
function written(z, row, col, { map: { unit }, scale, palette, theme }) {
  const least = LEAST * (unit?.limit ?? 1);
  const ramp = rampOf(palette, unit);
  /** @type {{x: number[], y: number[], text: string[], color: string[]}} */
  const points = { x: [], y: [], text: [], color: [] };
  z.forEach((line, i) =>
    line.forEach((weight, j) => {
      if (weight === null || Math.abs(weight) < least) return;
      points.x.push(col + j);
      points.y.push(row + i);
      points.text.push(inCell(weight, unit));
      points.color.push(inkOn(colourAt(ramp, theme, tone(weight, scale, unit))));
    }),
  );
  const { color, ...rest } = points;
  const font = { family: FONT, size: 11, color };
  return { type: "scatter", mode: "text", ...rest, textfont: font, hoverinfo: "skip", showlegend: false };
}

/** Axes with the labels that have room. @param {Shown} shown @param {View} view @param {Frame} frame @returns {Options} */
export function layoutOf({ map, queries, keys }, view, { room, box, angle }) {
  const around = beyond(view);
  const font = { family: FONT, size: 12, color: cssColour("--text") };
  /** @param {[number, number]} range @param {number[]} values @param {import("../../types.js").Axis} labelled */
  const axis = (range, values, labelled) => ({
    range,
    tickmode: "array",
    tickvals: values,
    ticktext: values.map((index) => plotLabel(labelled, index)),
    tickfont: font,
    showgrid: false,
    zeroline: false,
    ticks: "",
    showline: false,
    automargin: false,
    fixedrange: false,
  });
  const across = ticks(around.x, map.cols, box.width * reach(around.x, view.x), angle ? 15 : 30);
  const down = ticks(around.y, map.rows, box.height * reach(around.y, view.y));
  const right = room.width - box.left - box.width;
  return {
    width: room.width,
    height: room.height,
    margin: { l: box.left, t: box.top, r: right, b: room.height - box.top - box.height, pad: 4 },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)", // masked cells are holes; the hatched sheet below shows through
    hovermode: false,
    dragmode: "pan",
    showlegend: false,
    xaxis: { ...axis([...view.x], across, keys), side: "top", tickangle: angle },
    yaxis: axis([view.y[1], view.y[0]], down, queries),
  };
}
