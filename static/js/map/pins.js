/** Pinned cells over a map, each with its number; they follow it as the crosshair does. */

import { byId, element, placeOver } from "../views/dom.js";
import { atLeast } from "./atlas/marks.js";
import { cellBox, seen } from "./geometry.js";

/** @typedef {import("./geometry.js").Box} Box */
/** @typedef {import("./geometry.js").View} View */
/** @typedef {{row: number, col: number, number: number, here: boolean, words: string}} Mark `here`: of the head on show */

const LEAST = 11; // pixels of a mark's frame: a cell of a long map may be smaller than one

/** @type {Mark[]} */
let marks = [];
/** @type {{mark: Mark, node: HTMLElement}[]} */
let drawn = [];
/** @type {{box: Box, view: View} | null} where the map stood last */
let place = null;

/** Those of the map on show. @returns {Mark[]} */
export const shownPins = () => marks;

/** Other pins are to be shown. @param {Mark[]} list */
export function showPins(list) {
  for (const { node } of drawn) node.remove();
  marks = list;
  drawn = list.map((mark) => {
    const node = element("div", { class: mark.here ? "pin-mark" : "pin-mark elsewhere", data: { number: mark.number } });
    node.setAttribute("aria-hidden", "true"); // the list beside says them
    node.append(element("span", {}, String(mark.number)));
    byId("heat").append(node);
    return { mark, node };
  });
  if (place) placePins(place);
}

/** The map has moved. @param {{box: Box, view: View}} where */
export function placePins({ box, view }) {
  place = { box, view };
  for (const { mark, node } of drawn)
    placeOver(node, seen(view, mark) ? atLeast(cellBox(box, view, mark.row, mark.col), LEAST) : null);
}
