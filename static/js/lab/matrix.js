/** A small map: weights as cells of the page's own colours, tokens at its sides, the cell at the pointer told below. */

import { theme } from "../preferences.js";
import { colourAt } from "../map/colour.js";
import { t } from "../text/i18n.js";
import { isolated } from "../text/isolate.js";
import { contextOf, element } from "../views/dom.js";
import { said } from "./numbers.js";
import { set, svg } from "./svg.js";

/**
 * @typedef {object} Cells
 * @property {string} title
 * @property {number[][]} weights rows look, columns are looked at
 * @property {string[]} [rows] labels
 * @property {string[]} [cols]
 * @property {(row: number, col: number) => boolean} [visible] all where left out
 */

const CELL = 22; // pixels at most
const LETTER = 7.2; // pixels of a character at a side
const LONGEST = 12; // characters of a label
const TOP = 0.72; // the sine of how far labels lean

/** @param {string} text */
const short = (text) => isolated([...text].length > LONGEST ? `${[...text].slice(0, LONGEST - 1).join("")}…` : text);

/** @param {number} weight */
const colour = (weight) => `rgb(${colourAt("ink", theme(), weight).join(" ")})`;

export class Matrix {
  constructor() {
    this.title = element("figcaption", { class: "caption" });
    this.box = element("div", { class: "matrix-box" });
    this.line = element("p", { class: "small tabular pointed" });
    this.root = element("figure", { class: "matrix measured" }, this.title, this.box, this.line);
    /** @type {Cells | null} */
    this.cells = null;
  }

  /** @param {Cells} cells */
  show(cells) {
    this.cells = cells;
    const { title, weights, rows, cols, visible } = cells;
    this.title.textContent = title;
    this.line.textContent = t("labPoint");
    const size = Math.min(CELL, Math.max(5, Math.floor(320 / Math.max(weights.length, weights[0].length, 1))));
    const longest = (/** @type {string[]} */ labels) => Math.max(...labels.map((label) => Math.min([...label].length, LONGEST)));
    const left = rows ? Math.ceil(longest(rows) * LETTER) + 8 : 0;
    const top = cols ? Math.ceil(longest(cols) * LETTER * TOP) + 12 : 0;
    const over = cols ? 40 : 0; // the last label leans out
    const [width, height] = [left + weights[0].length * size + over, top + weights.length * size + 1];
    const parts = [];
    for (const [row, line] of weights.entries())
      for (const [col, weight] of line.entries()) {
        const place = { x: left + col * size, y: top + row * size, width: size - 1, height: size - 1 };
        const seen = !visible || visible(row, col);
        parts.push(svg("rect", { ...place, class: seen ? "cell" : "cell masked", ...(seen ? { fill: colour(weight) } : {}), "data-row": row, "data-col": col }));
      }
    for (const [row, label] of (rows ?? []).entries())
      parts.push(svg("text", { x: left - 6, y: top + (row + 0.5) * size + 4, "text-anchor": "end" }, short(label)));
    for (const [col, label] of (cols ?? []).entries()) {
      const [x, y] = [left + (col + 0.5) * size + 2, top - 6];
      parts.push(svg("text", { x, y, transform: `rotate(-46 ${x} ${y})` }, short(label)));
    }
    const drawing = svg("svg", { class: "matrix-cells", viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": this.described() }, ...parts);
    for (const name of /** @type {const} */ (["pointermove", "pointerdown"])) drawing.addEventListener(name, (event) => this.point(/** @type {Element} */ (event.target)));
    set(drawing, { "data-rows": weights.length, "data-cols": weights[0].length });
    this.box.replaceChildren(drawing);
  }

  /** The cell at the pointer, in words. @param {Element} target */
  point(target) {
    const { cells } = this;
    if (!cells || !(target instanceof SVGElement) || !target.dataset.row) return;
    this.line.textContent = this.cell(cells, Number(target.dataset.row), Number(target.dataset.col));
  }

  /** @param {Cells} cells @param {number} row @param {number} col */
  cell({ weights, rows, cols, visible }, row, col) {
    const names = { query: isolated(rows?.[row] ?? String(row)), key: isolated(cols?.[col] ?? String(col)) };
    if (visible && !visible(row, col)) return t("labMasked", names);
    return t("labCell", { ...names, weight: said(weights[row][col]) });
  }

  /** The title, and the strongest cell. */
  described() {
    const { cells } = this;
    if (!cells) return "";
    let [row, col, most] = [0, 0, -1];
    for (const [at, line] of cells.weights.entries())
      for (const [place, weight] of line.entries()) if (weight > most) [row, col, most] = [at, place, weight];
    return t("labMatrix", { title: cells.title, cell: this.cell(cells, row, col) });
  }
}

/**
 * A map without words, as small as it is asked for.
 *
 * @param {HTMLCanvasElement} canvas
 * @param {(row: number, col: number) => number} weight NaN where masked
 * @param {number} rows
 * @param {number} cols
 */
export function paint(canvas, weight, rows, cols) {
  canvas.width = cols;
  canvas.height = rows;
  const image = new ImageData(cols, rows);
  for (let row = 0; row < rows; row += 1)
    for (let col = 0; col < cols; col += 1) {
      const value = weight(row, col);
      image.data.set(Number.isNaN(value) ? [0, 0, 0, 0] : [...colourAt("ink", theme(), value), 255], 4 * (row * cols + col));
    }
  contextOf(canvas).putImageData(image, 0, 0);
}
