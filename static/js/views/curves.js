/** Curves with their intervals, as Plotly draws them; the same numbers stand in a table that screen readers read. */

import { CONFIG } from "../map/plot.js";
import { plotly } from "../map/plotly.js";
import { t } from "../text/i18n.js";
import { cssColour, element } from "./dom.js";

/** @typedef {import("../map/plot.js").Options} Options */
/**
 * @typedef {object} Curve
 * @property {string} name
 * @property {number[]} x
 * @property {number[]} mean
 * @property {number[]} [low] of its confidence interval
 * @property {number[]} [high]
 * @property {number} hue its place among the hues; -1: what others are compared with, grey and dashed
 *
 * @typedef {object} Chart
 * @property {string} title
 * @property {string} x what the axes are of
 * @property {string} y
 * @property {Curve[]} curves
 * @property {(x: number) => string} [tick] how a place on the axis is written
 * @property {[number, number]} [range] of y, where it is known
 */

export const HUES = 6; // of ribbons.css; more curves are told apart by dashes
const DASHES = ["solid", "dash", "dot"];
const HEIGHT = 240; // pixels
const BAND = 0.16; // the opacity of an interval

/** @param {number} hue */
export const hueOf = (hue) => (hue < 0 ? "var(--quiet)" : `var(--hue-${hue % HUES})`);

/** @param {number} hue @returns {string} as Plotly reads it, which knows no variables */
export const colourOf = (hue) => cssColour(hue < 0 ? "--quiet" : `--hue-${hue % HUES}`);

/** @param {number} hue */
export const dashOf = (hue) => (hue < 0 ? "dash" : DASHES[Math.floor(hue / HUES) % DASHES.length]);

/** @param {string} hex #rrggbb @param {number} alpha */
function faint(hex, alpha) {
  const parts = [1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16));
  return `rgba(${parts.join(",")},${alpha})`;
}

/** A number as charts and tables write it. @param {number | null | undefined} value */
export function figure(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size < 1e-3) return value.toExponential(1);
  return value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : 3);
}

/** A chart that is drawn anew whenever its numbers, its room, the theme or the language are others. */
export class Curves {
  constructor() {
    this.plot = element("div", { class: "curves-plot" });
    this.title = element("h3", { class: "caption" });
    this.table = element("table", { class: "unseen" });
    this.root = element("figure", { class: "curves" }, this.title, this.plot, element("div", { class: "curves-table" }, this.table));
    /** @type {Chart | null} */
    this.chart = null;
    this.width = 0;
    this.turn = 0;
    new ResizeObserver(() => this.plot.clientWidth !== this.width && void this.draw()).observe(this.plot);
  }

  /** @param {Chart} chart */
  show(chart) {
    this.chart = chart;
    this.title.textContent = chart.title;
    this.plot.setAttribute("role", "img");
    this.plot.setAttribute("aria-label", t("curvesLabel", { title: chart.title, names: chart.curves.map(({ name }) => name).join(", ") }));
    this.tabulate(chart);
    return this.draw();
  }

  async draw() {
    const turn = (this.turn += 1);
    const { chart, plot } = this;
    if (!chart || !plot.clientWidth) return;
    this.width = plot.clientWidth;
    const Plotly = await plotly().catch(() => null); // the table has the numbers all the same
    if (!Plotly || turn !== this.turn || !plot.isConnected) return;
    await Plotly.react(plot, chart.curves.flatMap(tracesOf), layoutOf(chart, this.width), CONFIG);
    plot.dataset.drawn = String(chart.curves.length);
  }

  /** @param {Chart} chart */
  tabulate({ title, x, y, curves, tick = figure }) {
    const places = [...new Set(curves.flatMap((curve) => curve.x))].sort((a, b) => a - b);
    const head = element("tr", {}, element("th", { scope: "col" }, x), ...curves.map(({ name }) => element("th", { scope: "col" }, name)));
    const rows = places.map((place) =>
      element("tr", {}, element("th", { scope: "row" }, tick(place)), ...curves.map((curve) => element("td", {}, saidAt(curve, place)))),
    );
    this.table.replaceChildren(element("caption", {}, `${title}: ${y}`), element("thead", {}, head), element("tbody", {}, ...rows));
  }
}

/** @param {Curve} curve @param {number} place */
function saidAt({ x, mean, low, high }, place) {
  const at = x.indexOf(place);
  if (at < 0) return "–";
  return low && high && low[at] !== high[at] ? `${figure(mean[at])} (${figure(low[at])} – ${figure(high[at])})` : figure(mean[at]);
}

/** The interval's sheet below, the line above. @param {Curve} curve @returns {Options[]} */
function tracesOf({ x, mean, low, high, hue }) {
  const line = {
    type: "scatter",
    mode: x.length > 1 ? "lines+markers" : "markers",
    x,
    y: mean,
    line: { color: colourOf(hue), width: 2, dash: dashOf(hue) },
    marker: { color: colourOf(hue), size: 5 },
    hoverinfo: "skip",
  };
  if (!low || !high || low.every((value, at) => value === high[at])) return [line];
  const band = {
    type: "scatter",
    mode: "lines",
    x: [...x, ...x.toReversed()],
    y: [...high, ...low.toReversed()],
    fill: "toself",
    fillcolor: faint(colourOf(hue), BAND),
    line: { width: 0 },
    hoverinfo: "skip",
  };
  return [band, line];
}

/** @param {Chart} chart @param {number} width @returns {Options} */
function layoutOf({ x, y, curves, tick, range }, width) {
  const font = { size: 12, color: cssColour("--text") };
  const title = { size: 12, color: cssColour("--quiet") };
  const places = [...new Set(curves.flatMap((curve) => curve.x))].sort((a, b) => a - b);
  const quiet = { gridcolor: cssColour("--line"), zeroline: false, tickfont: font, fixedrange: true, automargin: true };
  const ticks = tick ? { tickmode: "array", tickvals: places, ticktext: places.map(tick) } : {};
  return {
    width,
    height: HEIGHT,
    margin: { l: 48, t: 8, r: 12, b: 40 },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font,
    showlegend: false,
    hovermode: false,
    dragmode: false,
    xaxis: { ...quiet, ...ticks, title: { text: x, font: title, standoff: 8 } },
    yaxis: { ...quiet, ...(range ? { range } : {}), title: { text: y, font: title, standoff: 8 } },
  };
}
