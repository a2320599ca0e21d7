/** Crosshair and chosen cell over a long map; a cell smaller than a pixel is marked all the same. */

import { byId, placeOver, slideOver } from "../../views/dom.js";
import { cellBox } from "../geometry.js";

/** @typedef {import("../geometry.js").Box} Box */
/** @typedef {import("../geometry.js").View} View */
/** @typedef {import("../../types.js").Shape} Shape */

const LEAST_CELL = 9; // pixels of the chosen cell's frame
const LEAST_LINE = 1;
const NAME = 18; // pixels between an axis's labels and its name, as in crosshair.js

/** A box at least so large, about its own middle. @param {Box} box @param {number} least @returns {Box} */
export function atLeast({ left, top, width, height }, least) {
  const [wider, higher] = [Math.max(width, least), Math.max(height, least)];
  return { left: left + (width - wider) / 2, top: top + (height - higher) / 2, width: wider, height: higher };
}

/**
 * The part of the plot that the map covers: all of it, but while a drag pulls the map past its edge.
 *
 * @param {Box} box
 * @param {View} view
 * @param {Shape} shape
 * @returns {Box}
 */
function mapBox(box, view, [rows, cols]) {
  /** @param {[number, number]} stretch @param {number} count @param {number} start @param {number} length */
  const part = ([low, high], count, start, length) => {
    /** @param {number} at */
    const place = (at) => start + Math.min(Math.max((at - low) / (high - low), 0), 1) * length;
    return [place(-0.5), place(count - 0.5) - place(-0.5)];
  };
  const [left, width] = part(view.x, cols, box.left, box.width);
  const [top, height] = part(view.y, rows, box.top, box.height);
  return { left, top, width, height };
}

/** Whether a row or column is in view. @param {number} index @param {[number, number]} stretch */
const inside = (index, [low, high]) => index + 0.5 > low && index - 0.5 < high;

/**
 * @param {object} look
 * @param {Box} look.box
 * @param {View} look.view
 * @param {{row?: number, col?: number} | null} look.crosshair
 * @param {{row: number, col: number} | null} look.chosen
 * @param {number} look.labelWidth
 * @param {number} look.labelHeight
 * @param {Shape} look.shape
 * @param {boolean} look.holes
 */
export function placeMarks({ box, view, shape, crosshair, chosen, labelWidth, labelHeight, holes }) {
  slideOver(byId("hatch"), holes ? mapBox(box, view, shape) : null);
  slideOver(byId("map-frame"), mapBox(box, view, shape));
  const { row, col } = crosshair ?? {};
  const line = row !== undefined && inside(row, view.y) ? atLeast(cellBox(box, view, row, view.x[0]), LEAST_LINE) : null;
  const column = col !== undefined && inside(col, view.x) ? atLeast(cellBox(box, view, view.y[0], col), LEAST_LINE) : null;
  placeOver(byId("row-band"), line && { ...line, left: box.left - labelWidth, width: box.width + labelWidth });
  byId("row-band").style.setProperty("--label", `${labelWidth}px`);
  placeOver(byId("col-band"), column && { ...column, top: box.top - labelHeight, height: box.height + labelHeight });
  byId("col-band").style.setProperty("--label", `${labelHeight}px`);
  const inView = chosen && inside(chosen.row, view.y) && inside(chosen.col, view.x);
  placeOver(byId("chosen-cell"), inView ? atLeast(cellBox(box, view, chosen.row, chosen.col), LEAST_CELL) : null);
  const name = byId("query-name").style;
  name.left = `${box.left - labelWidth - NAME - 4}px`;
  name.top = `${box.top}px`;
  byId("key-name").style.left = `${box.left}px`;
  byId("key-name").style.top = `${box.top - labelHeight - NAME}px`;
}
