/** What of a long map is under the pointer. */

import { cellAt, labelAt } from "../geometry.js";

/** @typedef {import("./atlas.js").Atlas} Atlas */
/** @typedef {import("../../types.js").Place} Place */

/** Where the pointer is in the map's room, in pixels. @param {Atlas} atlas @param {MouseEvent} event @returns {[number, number]} */
function within({ root }, { clientX, clientY }) {
  const { left, top } = root.getBoundingClientRect();
  return [clientX - left, clientY - top];
}

/** The point of the map, column and row. @param {Atlas} atlas @param {MouseEvent} event @returns {[number, number] | null} */
export function pointUnder(atlas, event) {
  const { box, view } = atlas.drawn;
  const [left, top] = within(atlas, event);
  const [across, down] = [(left - box.left) / box.width, (top - box.top) / box.height];
  if (across < 0 || down < 0 || across >= 1 || down >= 1) return null;
  const { x, y } = view;
  return [x[0] + across * (x[1] - x[0]), y[0] + down * (y[1] - y[0])];
}

/** A cell, or a token's label. @param {Atlas} atlas @param {MouseEvent} event @returns {Place | null} */
export function placeUnder(atlas, event) {
  const { labelWidth, labelHeight } = atlas;
  const { box, view, shape } = atlas.drawn;
  const [left, top] = within(atlas, event);
  const cell = cellAt(box, view, left, top, ...shape);
  if (cell) return { rows: [cell.row], cols: [cell.col] };
  return labelAt({ box, labelWidth, labelHeight, angle: -90 }, view, left, top, ...shape);
}
