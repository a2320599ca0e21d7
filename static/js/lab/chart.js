/** Lines over an axis, drawn in SVG; the same numbers stand in a table that screen readers read. */

import { t } from "../text/i18n.js";
import { element, onceAFrame } from "../views/dom.js";
import { powers, round, short } from "./axis.js";
import { table } from "./controls.js";
import { said } from "./numbers.js";
import { svg } from "./svg.js";

/**
 * @typedef {object} Line
 * @property {string} name
 * @property {number[]} y NaN where there is none
 * @property {number[]} [low] of its interval
 * @property {number[]} [high]
 *
 * @typedef {object} Drawing
 * @property {string} title
 * @property {string} x what the axis is of
 * @property {number[]} places where on it
 * @property {Line[]} lines the first in the accent, the others quieter
 * @property {boolean} [logX]
 * @property {boolean} [logY]
 * @property {[number, number]} [range] of y, where it is known
 * @property {(x: number) => string} [writeX]
 * @property {(y: number) => string} [writeY] in the table
 * @property {(y: number) => string} [writeTick] at the axis
 */

const HEIGHT = 216; // pixels
const ROOM = { left: 56, right: 24, top: 12, bottom: 40 };
const NARROW = 44; // pixels between two numbers on the axis
const MANY = 24; // places: more have no dots of their own
const STYLES = 3;

export class Chart {
  constructor() {
    this.title = element("h3", { class: "caption" });
    this.legend = element("ul", { class: "legend small" });
    this.box = element("div", { class: "chart-box" });
    this.table = element("div", { class: "unseen" });
    this.root = element("figure", { class: "chart measured" }, this.title, this.legend, this.box, this.table);
    /** @type {Drawing | null} */
    this.drawing = null;
    new ResizeObserver(onceAFrame(() => this.draw())).observe(this.box);
  }

  /** @param {Drawing} drawing */
  show(drawing) {
    this.drawing = drawing;
    const { title, x, places, lines, writeX = String, writeY = said } = drawing;
    this.title.textContent = title;
    const entry = (/** @type {Line} */ { name }, /** @type {number} */ at) =>
      element("li", {}, element("span", { class: `swatch line-${at % STYLES}`, "aria-hidden": "true" }), name);
    this.legend.replaceChildren(...lines.map(entry));
    const value = (/** @type {Line} */ { y, low, high }, /** @type {number} */ at) =>
      low && high ? `${writeY(y[at])} (${writeY(low[at])} – ${writeY(high[at])})` : writeY(y[at]);
    const rows = places.map((place, at) => [writeX(place), ...lines.map((line) => value(line, at))]);
    this.table.replaceChildren(table(title, [x, ...lines.map(({ name }) => name)], rows));
    this.draw();
  }

  draw() {
    const { drawing } = this;
    const width = this.box.clientWidth;
    if (!drawing || !width) return;
    const { title, x, places, lines, logX, logY, range, writeX = String, writeTick = short } = drawing;
    const all = lines.flatMap(({ y, low = [], high = [] }) => [...y, ...low, ...high]).filter(Number.isFinite);
    const [lowest, highest] = range ?? [logY ? Math.min(...all) : Math.min(0, ...all), Math.max(...all)];
    const right = width - ROOM.right;
    const bottom = HEIGHT - ROOM.bottom;
    const share = (/** @type {number} */ at, /** @type {number} */ from, /** @type {number} */ to, /** @type {boolean | undefined} */ log) =>
      from === to ? 0.5 : log ? Math.log(at / from) / Math.log(to / from) : (at - from) / (to - from);
    const [first, last] = [Math.min(...places), Math.max(...places)];
    const placeX = (/** @type {number} */ at) => ROOM.left + (right - ROOM.left) * share(at, first, last, logX);
    const placeY = (/** @type {number} */ at) => bottom - (bottom - ROOM.top) * share(at, lowest, highest, logY);
    const parts = [];
    for (const tick of logY ? powers(lowest, highest) : round(lowest, highest)) {
      const y = placeY(tick).toFixed(1);
      parts.push(svg("path", { class: "grid", d: `M${ROOM.left} ${y}H${right}` }));
      parts.push(svg("text", { x: ROOM.left - 8, y: Number(y) + 4, "text-anchor": "end" }, writeTick(tick)));
    }
    let before = -Infinity;
    const many = places.length > MANY && !logX;
    for (const place of many ? round(first, last) : places) {
      const at = placeX(place);
      if (at - before < NARROW) continue;
      before = at;
      parts.push(svg("text", { x: at.toFixed(1), y: bottom + 18, "text-anchor": "middle" }, writeX(place).replace("-", "−")));
    }
    parts.push(svg("text", { class: "axis-title", x: (ROOM.left + right) / 2, y: HEIGHT - 4, "text-anchor": "middle" }, x));
    for (const [number, { y, low, high }] of [...lines.entries()].reverse()) {
      const style = `line-${number % STYLES}`;
      const path = (/** @type {number[]} */ values, /** @type {number[]} */ order) => order.map((at) => `${placeX(places[at]).toFixed(1)} ${placeY(values[at]).toFixed(1)}`);
      const known = places.map((_, at) => at).filter((at) => Number.isFinite(y[at]));
      if (!known.length) continue;
      if (low && high) parts.push(svg("path", { class: `band ${style}`, d: `M${[...path(high, known), ...path(low, known.toReversed())].join("L")}Z` }));
      parts.push(svg("path", { class: `stroke ${style}`, d: `M${path(y, known).join("L")}` }));
      for (const at of many ? [] : known) parts.push(svg("circle", { class: `dot ${style}`, cx: placeX(places[at]).toFixed(1), cy: placeY(y[at]).toFixed(1), r: 3 }));
    }
    const label = t("labChart", { title, names: lines.map(({ name }) => name).join(", ") });
    this.box.replaceChildren(svg("svg", { class: "lines", width, height: HEIGHT, role: "img", "aria-label": label }, ...parts));
  }
}
