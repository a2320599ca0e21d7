/** Crosshair and chosen cell over a long map; a cell smaller than a pixel is marked all the same. */

import { byId } from "../../views/dom.js";
import { cellBox } from "../geometry.js";

/** @typedef {import("../geometry.js").Box} Box */

const LEAST_CELL = 9; // pixels of the chosen cell's frame
const LEAST_LINE = 1;
const NAME = 18; // pixels between an axis's labels and its name, as in crosshair.js

/** A box at least so large, about its own middle. @param {Box} box @returns {Box} */
export function atLeast({ left, top, width, height }, least) {
  const [wider, higher] = [Math.max(width, least), Math.max(height, least)];
  return { left: left + (width - wider) / 2, top: top + (height - higher) / 2, width: wider, height: higher };
}

/** @param {HTMLElement} node @param {Box | null} box */
function put(node, box) {
  node.hidden = !box;
  if (box) for (const side of ["left", "top", "width", "height"]) node.style[side] = `${box[side]}px`;
}

/** The part of the plot that the map covers: all of it, but while a drag pulls the map past its edge. */
function mapBox(box, view, [rows, cols]) {
  const part = ([low, high], count, start, length) => {
    const place = (at) => start + Math.min(Math.max((at - low) / (high - low), 0), 1) * length;
    return [place(-0.5), place(count - 0.5) - place(-0.5)];
  };
  const [left, width] = part(view.x, cols, box.left, box.width);
  const [top, height] = part(view.y, rows, box.top, box.height);
  return { left, top, width, height };
}

const inside = (index, [low, high]) => index !== undefined && index + 0.5 > low && index - 0.5 < high;

/**
 * @param {object} look
 * @param {Box} look.box
 * @param {import("../geometry.js").View} look.view
 * @param {{row?: number, col?: number} | null} look.crosshair
 * @param {{row: number, col: number} | null} look.chosen
 * @param {number} look.labelWidth
 * @param {number} look.labelHeight
 * @param {[number, number]} look.shape
 * @param {boolean} look.holes
 */
export function placeMarks({ box, view, shape, crosshair, chosen, labelWidth, labelHeight, holes }) {
  put(byId("hatch"), holes ? mapBox(box, view, shape) : null);
  const { row, col } = crosshair ?? {};
  const line = inside(row, view.y) ? atLeast(cellBox(box, view, row, view.x[0]), LEAST_LINE) : null;
  const column = inside(col, view.x) ? atLeast(cellBox(box, view, view.y[0], col), LEAST_LINE) : null;
  put(byId("row-band"), line && { ...line, left: box.left - labelWidth, width: box.width + labelWidth });
  byId("row-band").style.setProperty("--label", `${labelWidth}px`);
  put(byId("col-band"), column && { ...column, top: box.top - labelHeight, height: box.height + labelHeight });
  byId("col-band").style.setProperty("--label", `${labelHeight}px`);
  const seen = chosen && inside(chosen.row, view.y) && inside(chosen.col, view.x);
  put(byId("chosen-cell"), seen ? atLeast(cellBox(box, view, chosen.row, chosen.col), LEAST_CELL) : null);
  const name = byId("query-name").style;
  name.left = `${box.left - labelWidth - NAME - 4}px`;
  name.top = `${box.top}px`;
  byId("key-name").style.left = `${box.left}px`;
  byId("key-name").style.top = `${box.top - labelHeight - NAME}px`;
}
