/** Tokens as labels of an axis. */

import { isolated } from "./isolate.js";
import { tokenText } from "./words.js";

/** @typedef {import("../types.js").Axis} Axis */

const LONGEST_LABEL = 16; // characters; the cell's panel has the token whole

/** Plotly reads markup in labels; people's text has none. @param {string} text */
export const escaped = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");

/** A label as Plotly draws it: no markup, and no direction but its own. @param {Axis} axis @param {number} index */
export const plotLabel = (axis, index) => escaped(isolated(label(axis, index)));

/** How many columns of a monospaced face a text takes; glyphs of East Asian scripts take two. @param {string} text */
export const wideAs = (text) => [...text].reduce((sum, c) => sum + (/[\u2e80-\uffdf]/.test(c) ? 2 : 1), 0);

/** @param {Axis} axis @param {number} index */
export function label(axis, index) {
  const characters = [...tokenText(axis, index)];
  const cut = characters.length > LONGEST_LABEL;
  return cut ? `${characters.slice(0, LONGEST_LABEL - 1).join("")}…` : characters.join("");
}
