/** What the controls of the map offer, in the order in which keys go through it. */

import { MEASURES } from "./map/grid/heads.js";

/** @typedef {import("./types.js").State} State */

/** By place, or by a measure of heads. */
export const SORTS = ["", ...Object.keys(MEASURES)];
/** @type {import("./types.js").Scale[]} */
export const SCALES = ["linear", "log"];
export const POINTS = ["queries", "keys"];
/** One head, or all of its layer. @type {State["over"][]} */
export const OVER = ["", "mean", "max"];
/** What the stage can show, by name; the first stands in no link. @type {(State["view"] | "map")[]} */
export const VIEWS = ["map", "ribbons", "sources", "compare", "alignment", "robustness", "faithfulness", "corpus"];
export const CLOSER = 0.6; // of the view remains after one step of zooming in
