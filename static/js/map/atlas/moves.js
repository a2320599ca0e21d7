/** Views moved: by a share of themselves, to a cell. No document here. */

import { insideMap } from "../geometry.js";
import { LABEL_EVERY } from "./ticks.js";

/** @typedef {import("../geometry.js").View} View */

const JUMP = 40; // cells a side in view after a jump from further away
const ROOM = LABEL_EVERY + 1; // pixels a cell has then, so that tokens have room for their labels

/**
 * @param {View} view
 * @param {number} right of the view's width; infinite goes to the edge
 * @param {number} down of its height
 */
export function panned(view, right, down, shape) {
  const far = Math.max(...shape);
  const move = ([low, high], by) => {
    const step = Math.min(Math.max(by * (high - low), -far), far);
    return /** @type {[number, number]} */ ([low + step, high + step]);
  };
  return insideMap({ x: move(view.x, right), y: move(view.y, down) }, shape[0], shape[1]);
}

/** Whether the middle of a cell is in view. @param {View} view */
export function seen({ x, y }, { row, col }) {
  return row > y[0] && row < y[1] && col > x[0] && col < x[1];
}

/**
 * The view with a cell in its middle; null where it is well in view as it is.
 *
 * @param {View} view
 * @param {{row: number, col: number}} cell
 * @param {boolean} closer comes near enough to read tokens
 * @param {number} pixels of the plot's shorter side
 * @returns {View | null}
 */
export function revealed(view, cell, closer, shape, pixels) {
  const jump = Math.min(JUMP, Math.floor(pixels / ROOM));
  const near = Math.max(view.x[1] - view.x[0], view.y[1] - view.y[0]) <= 2 * jump;
  if (seen(view, cell) && (near || !closer)) return null;
  const about = ([low, high], at) => {
    const half = (closer && !near ? jump : high - low) / 2;
    return /** @type {[number, number]} */ ([at - half, at + half]);
  };
  return insideMap({ x: about(view.x, cell.col), y: about(view.y, cell.row) }, shape[0], shape[1]);
}

/** What a zoom leaves in place: the chosen cell where it is in view, else the middle. @returns {[number, number]} */
export function anchor(view, chosen) {
  if (chosen && seen(view, chosen)) return [chosen.col, chosen.row];
  return [(view.x[0] + view.x[1]) / 2, (view.y[0] + view.y[1]) / 2];
}
