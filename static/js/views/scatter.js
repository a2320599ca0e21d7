/** Points with names on two axes, as Plotly draws them; the same numbers stand in a table that screen readers read. */

import { CONFIG } from "../map/plot.js";
import { plotly } from "../map/plotly.js";
import { colourOf, figure } from "./curves.js";
import { cssColour, element } from "./dom.js";

/** @typedef {import("../map/plot.js").Options} Options */
/**
 * @typedef {object} Point
 * @property {number} id by which it is chosen
 * @property {string} name
 * @property {number} x
 * @property {number} y
 * @property {boolean} chosen
 * @typedef {object} Group of points that are alike
 * @property {string} name
 * @property {number} hue its place among the hues
 * @property {Point[]} points
 * @typedef {object} Chart
 * @property {string} title
 * @property {string} label what it shows, in words
 * @property {[string, string, string]} columns of the table: what a point is, and what the axes are of
 * @property {Group[]} groups
 */

const HEIGHT = 360; // pixels
const SIZE = 9;
const CHOSEN = 17;
const SYMBOLS = ["circle", "diamond", "square", "triangle-up", "x"]; // so that colours are not all that tells them apart

export class Scatter {
  /** @param {(id: number) => void} choose */
  constructor(choose) {
    this.choose = choose;
    this.plot = element("div", { class: "curves-plot scatter-plot" });
    this.title = element("h3", { class: "caption" });
    this.table = element("table", { class: "unseen" });
    this.root = element("figure", { class: "curves" }, this.title, this.plot, element("div", { class: "curves-table" }, this.table));
    /** @type {Chart | null} */
    this.chart = null;
    this.width = 0;
    this.turn = 0;
    this.listens = false;
    new ResizeObserver(() => this.plot.clientWidth !== this.width && void this.draw()).observe(this.plot);
  }

  /** @param {Chart} chart */
  show(chart) {
    this.chart = chart;
    this.title.textContent = chart.title;
    this.plot.setAttribute("role", "img");
    this.plot.setAttribute("aria-label", chart.label);
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
    await Plotly.react(plot, chart.groups.map(traceOf), layoutOf(chart, this.width), CONFIG);
    if (!this.listens) this.listen();
    plot.dataset.drawn = String(chart.groups.reduce((sum, { points }) => sum + points.length, 0));
  }

  listen() {
    this.listens = true;
    /** @typedef {{points: {customdata: number}[]}} Clicked */
    const plot = /** @type {{on: (event: string, listener: (clicked: Clicked) => void) => void}} */ (/** @type {unknown} */ (this.plot));
    plot.on("plotly_click", ({ points: [point] }) => point && this.choose(point.customdata));
  }

  /** @param {Chart} chart */
  tabulate({ title, columns, groups }) {
    const head = element("tr", {}, ...columns.map((column) => element("th", { scope: "col" }, column)));
    const rows = groups.flatMap(({ points }) =>
      points.map(({ name, x, y }) =>
        element("tr", {}, element("th", { scope: "row" }, name), element("td", {}, figure(x)), element("td", {}, figure(y))),
      ),
    );
    this.table.replaceChildren(element("caption", {}, title), element("thead", {}, head), element("tbody", {}, ...rows));
  }
}

/** @param {Group} group @returns {Options} */
function traceOf({ name, hue, points }) {
  return {
    type: "scatter",
    mode: "markers",
    name,
    x: points.map(({ x }) => x),
    y: points.map(({ y }) => y),
    customdata: points.map(({ id }) => id),
    text: points.map((point) => `${point.name}: ${figure(point.x)}, ${figure(point.y)}`),
    hoverinfo: "text",
    marker: {
      color: colourOf(hue),
      symbol: SYMBOLS[hue % SYMBOLS.length],
      size: points.map(({ chosen }) => (chosen ? CHOSEN : SIZE)),
      line: { color: cssColour("--text"), width: points.map(({ chosen }) => (chosen ? 2 : 0)) },
    },
  };
}

/** @param {Chart} chart @param {number} width @returns {Options} */
function layoutOf({ columns: [, x, y] }, width) {
  const font = { size: 12, color: cssColour("--text") };
  const title = { size: 12, color: cssColour("--quiet") };
  const axis = { gridcolor: cssColour("--line"), zeroline: false, tickfont: font, fixedrange: true, automargin: true };
  return {
    width,
    height: HEIGHT,
    margin: { l: 48, t: 8, r: 12, b: 40 },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font,
    showlegend: false,
    hovermode: "closest",
    hoverlabel: { bgcolor: cssColour("--page"), bordercolor: cssColour("--line"), font },
    dragmode: false,
    xaxis: { ...axis, title: { text: x, font: title, standoff: 8 } },
    yaxis: { ...axis, title: { text: y, font: title, standoff: 8 } },
  };
}
