/** Views moved: by a share of themselves, to a cell. No document here. */

import { insideMap, seen } from "../geometry.js";
import { LABEL_EVERY } from "./ticks.js";

/** @typedef {import("../geometry.js").Stretch} Stretch */
/** @typedef {import("../geometry.js").View} View */
/** @typedef {import("../../types.js").Shape} Shape */

const JUMP = 40; // cells a side in view after a jump from further away
const ROOM = LABEL_EVERY + 1; // pixels a cell has then, so that tokens have room for their labels

/**
 * @param {View} view
 * @param {number} right of the view's width; infinite goes to the edge
 * @param {number} down of its height
 * @param {Shape} shape
 */
export function panned(view, right, down, shape) {
  const far = Math.max(...shape);
  /** @param {Stretch} stretch @param {number} by @returns {Stretch} */
  const move = ([low, high], by) => {
    const step = Math.min(Math.max(by * (high - low), -far), far);
    return [low + step, high + step];
  };
  return insideMap({ x: move(view.x, right), y: move(view.y, down) }, shape[0], shape[1]);
}

/**
 * The view with a cell in its middle; null where it is well in view as it is.
 *
 * @param {View} view
 * @param {{row: number, col: number}} cell
 * @param {boolean} closer comes near enough to read tokens
 * @param {Shape} shape
 * @param {number} pixels of the plot's shorter side
 * @returns {View | null}
 */
export function revealed(view, cell, closer, shape, pixels) {
  const jump = Math.min(JUMP, Math.floor(pixels / ROOM));
  const near = Math.max(view.x[1] - view.x[0], view.y[1] - view.y[0]) <= 2 * jump;
  if (seen(view, cell) && (near || !closer)) return null;
  /** @param {Stretch} stretch @param {number} at @returns {Stretch} */
  const about = ([low, high], at) => {
    const half = (closer && !near ? jump : high - low) / 2;
    return [at - half, at + half];
  };
  return insideMap({ x: about(view.x, cell.col), y: about(view.y, cell.row) }, shape[0], shape[1]);
}
