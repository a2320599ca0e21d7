/** What lies over and under the plot and follows it: crosshair, chosen cell, hatched sheet, the axes' names. */

import { byId, placeOver, slideOver } from "../../views/dom.js";
import { cellBox } from "../geometry.js";
import { placeCuts } from "../cuts.js";
import { placeMade } from "../made.js";
import { placePins } from "../pins.js";

const NAME = 18; // pixels between an axis's labels and its name

/** Nothing is put over what is too small to be seen. @param {HTMLElement} node @param {import("../geometry.js").Box | null} box */
function put(node, box) {
  placeOver(node, box && box.width >= 0.5 && box.height >= 0.5 ? box : null);
}

/**
 * The part of the plot that the map covers: all of it, but while a drag pulls the map past its edge.
 *
 * @param {import("../geometry.js").Box} box
 * @param {import("../geometry.js").View} view
 * @param {{rows: number, cols: number}} map
 */
function mapBox(box, view, { rows, cols }) {
  const first = cellBox(box, view, 0, 0);
  const last = cellBox(box, view, rows - 1, cols - 1);
  return {
    left: first.left,
    top: first.top,
    width: last.left + last.width - first.left,
    height: last.top + last.height - first.top,
  };
}

/**
 * @param {object} look
 * @param {import("./heatmap.js").Shown} look.shown
 * @param {import("../geometry.js").Box} look.box the plot's
 * @param {import("../geometry.js").View} look.view
 * @param {{row?: number, col?: number} | null} look.crosshair
 * @param {{row: number, col: number} | null} look.chosen
 * @param {number} look.labelWidth of the queries' labels
 * @param {number} look.labelHeight of the keys' labels
 * @param {number} look.angle of the keys' labels
 */
export function placeOverlays({ shown, box, view, crosshair, chosen, labelWidth, labelHeight, angle }) {
  const edge = mapBox(box, view, shown.map);
  slideOver(byId("hatch"), shown.map.causal || shown.map.holes ? edge : null); // masked cells are holes in the plot
  slideOver(byId("map-frame"), edge);
  placeMade({ box, view }, shown.queries, shown.keys);
  placeCuts({ box, view });
  placePins({ box, view });
  const { row, col } = crosshair ?? {};
  const line = row === undefined ? null : cellBox(box, view, row, view.x[0]);
  const column = col === undefined ? null : cellBox(box, view, view.y[0], col);
  const rowBand = byId("row-band");
  put(rowBand, line?.height ? { ...line, left: box.left - labelWidth, width: box.width + labelWidth } : null);
  rowBand.style.setProperty("--label", `${labelWidth}px`);
  const rise = angle === -45 ? 0 : labelHeight; // slanted labels stand beside their column, not above it
  const colBand = byId("col-band");
  put(colBand, column?.width ? { ...column, top: box.top - rise, height: box.height + rise } : null);
  colBand.style.setProperty("--label", `${rise}px`);
  put(byId("chosen-cell"), chosen ? cellBox(box, view, chosen.row, chosen.col) : null);
  const name = byId("query-name").style;
  name.left = `${box.left - labelWidth - NAME - 4}px`;
  name.top = `${box.top}px`;
  byId("key-name").style.left = `${box.left}px`;
  byId("key-name").style.top = `${box.top - labelHeight - NAME}px`;
}
