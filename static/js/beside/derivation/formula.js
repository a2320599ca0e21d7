/** Formulas as elements: plain text that can be copied, with what stands below the line in <sub>. */

import { element } from "../../views/dom.js";

const LOWERED = /_\{([^}]*)\}/;

/** @param {string} text in which `_{...}` stands below the line */
export function formula(text) {
  const parts = text.split(LOWERED).map((part, at) => (at % 2 ? element("sub", {}, part) : part));
  return element("span", { class: "formula tabular", dir: "ltr" }, ...parts);
}
