/** Where the tokens that a model wrote begin, on an axis that holds its prompt too; a line beside them tells them apart. */

import { writtenOf } from "../text/texts.js";
import { byId, placeOver } from "../views/dom.js";

/** @typedef {import("../types.js").Axis} Axis */
/** @typedef {import("./geometry.js").Box} Box */
/** @typedef {import("./geometry.js").Stretch} Stretch */
/** @typedef {import("./geometry.js").View} View */

const WRITING = new Set(["text-generation", "image-text-to-text"]); // tasks whose axis holds prompt and output
const [AWAY, THICK] = [4, 3]; // pixels before the map's edge

/** @type {WeakMap<Axis, number>} the first token that the model wrote */
const made = new WeakMap();

/** Learns of a trace's axes where an output begins: it is the last of the axis's texts, or its last tokens. @param {import("../types.js").Summary} summary */
export function learnMade({ task, axes, prediction }) {
  if (!WRITING.has(task)) return;
  for (const axis of Object.values(axes)) {
    const { segments, labels } = axis;
    const { tokens = [] } = writtenOf(prediction);
    const most = segments?.reduce((a, b) => Math.max(a, b), 0);
    const first = segments && most ? segments.indexOf(most) : tokens.length ? labels.length - tokens.length : 0;
    if (first > 0) made.set(axis, first);
  }
}

/** The first token of an axis that the model wrote; null where it wrote none, or all. @param {Axis | undefined} axis */
export const madeFrom = (axis) => (axis && made.get(axis)) ?? null;

/** @param {{box: Box, view: View}} frame @param {Axis} queries @param {Axis} keys */
export function placeMade({ box, view }, queries, keys) {
  /** @param {number | null} from @param {number} count @param {Stretch} stretch @param {number} start @param {number} length */
  const part = (from, count, [low, high], start, length) => {
    /** @param {number} at */
    const place = (at) => start + Math.min(Math.max((at - low) / (high - low), 0), 1) * length;
    const [begin, end] = from === null ? [0, 0] : [place(from - 0.5), place(count - 0.5)];
    return end - begin >= 1 ? [begin, end - begin] : null;
  };
  const rows = part(madeFrom(queries), queries.labels.length, view.y, box.top, box.height);
  const cols = part(madeFrom(keys), keys.labels.length, view.x, box.left, box.width);
  placeOver(byId("made-rows"), rows && { left: box.left - AWAY, top: rows[0], width: THICK, height: rows[1] });
  placeOver(byId("made-cols"), cols && { left: cols[0], top: box.top - AWAY, width: cols[1], height: THICK });
}
