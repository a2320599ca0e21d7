/** Cells of the head on show that an edit of the pass has cut: crosses over the map, which follow it. */

import { byId, element, placeOver } from "../views/dom.js";
import { cellBox, seen } from "./geometry.js";

/** @typedef {import("./geometry.js").Box} Box */
/** @typedef {import("./geometry.js").View} View */
/** @typedef {import("../types.js").Cell} Cell */

const LEAST = 9; // pixels of a cross, on whatever small a cell

/** @type {{cell: Cell, node: HTMLElement}[]} */
let crosses = [];

/** Other cells are cut. @param {Cell[]} cells */
export function learnCuts(cells) {
  for (const { node } of crosses) node.remove();
  crosses = cells.map((cell) => ({ cell, node: element("div", { class: "cut-cell", hidden: true }) }));
  byId("heat").append(...crosses.map(({ node }) => node));
}

/** @param {{box: Box, view: View}} frame */
export function placeCuts({ box, view }) {
  for (const { cell, node } of crosses) {
    const { left, top, width, height } = cellBox(box, view, cell.row, cell.col);
    const [wide, high] = [Math.max(width, LEAST), Math.max(height, LEAST)];
    const place = { left: left + (width - wide) / 2, top: top + (height - high) / 2, width: wide, height: high };
    placeOver(node, seen(view, cell) ? place : null);
  }
}
