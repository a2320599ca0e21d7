/** The text around a cell's query and key, where the whole text is too long to stand in the page. */

import { madeFrom } from "../map/made.js";
import { byId, element } from "../views/dom.js";
import { t } from "./i18n.js";
import { piecesOf } from "./find.js";

/** @typedef {import("../types.js").Axis} Axis */
/** @typedef {import("../types.js").Cell} Cell */
/** @typedef {(index: number) => number} Light of each token, 0..1 */

const AROUND = 120; // tokens before and after
const FAINT = 0.02; // of the row's largest weight: less is not lit

/** @param {Axis} axis */
const isText = ({ kind }) => kind === "text" || kind === "mixed";

/** The half-open run of patches that a token is one of; empty where it is none. @param {Axis} axis @param {number} at */
function picture({ boxes }, at) {
  let [first, last] = [at, at];
  while (boxes?.[first - 1] && boxes[at]) first--;
  while (boxes?.[last]) last++;
  return [first, last];
}

export class Passages {
  /** @param {{choose: (cell: Partial<Cell>) => void}} on */
  constructor(on) {
    this.on = on;
    this.root = byId("passages");
    /** @type {Axis | null} */
    this.queries = null;
    /** @type {Axis | null} */
    this.keys = null;
    /** @type {Float32Array | undefined} */
    this.weights = undefined;
    this.shown = ""; // the cell on show
    this.root.addEventListener("click", (event) => {
      const { row, col } = /** @type {HTMLElement} */ (event.target).dataset;
      if (row !== undefined) this.on.choose({ row: Number(row) });
      else if (col !== undefined) this.on.choose({ col: Number(col) });
    });
  }

  /** @param {Axis} queries @param {Axis} keys */
  use(queries, keys) {
    this.queries = queries;
    this.keys = keys;
    this.shown = "";
    this.root.hidden = !isText(queries) && !isText(keys);
  }

  hide() {
    this.root.hidden = true;
    this.root.replaceChildren();
    this.shown = "";
  }

  /**
   * @param {Cell} cell
   * @param {Float32Array | undefined} weights of the cell's row, where they are here; or of its column
   * @param {"row" | "column"} line
   */
  show({ row, col }, weights, line = "row") {
    const { queries, keys } = this;
    const shown = JSON.stringify([row, col, line]);
    if (!queries || !keys || (shown === this.shown && weights === this.weights)) return;
    this.shown = shown;
    this.weights = weights;
    const most = weights?.reduce((a, b) => Math.max(a, b), 0) || 1;
    /** @type {Light} */
    const light = (index) => (weights ? weights[index] / most : 0);
    // On a map of a text onto itself, what the query looks at lies in its own passage too.
    /** @param {"row" | "col"} side @returns {Light} */
    const lights = (side) => (queries === keys || (line === "row") === (side === "col") ? light : () => 0);
    this.root.replaceChildren(
      ...this.passage(queries, row, lights("row"), "row"),
      ...this.passage(keys, col, lights("col"), "col"),
    );
    /** @type {NodeListOf<HTMLElement>} */
    const marks = this.root.querySelectorAll(".marked");
    for (const mark of marks) {
      const passage = mark.parentElement;
      if (passage) passage.scrollTop = mark.offsetTop - passage.clientHeight / 2;
    }
  }

  /**
   * None of what is no text: patches and frames stand in the picture or recording.
   *
   * @param {Axis} axis
   * @param {number} index
   * @param {Light} light
   * @param {"row" | "col"} side
   * @returns {HTMLElement[]}
   */
  passage(axis, index, light, side) {
    if (!isText(axis) || axis.boxes?.[index]) return [];
    const name = side === "row" ? "passageQuery" : "passageKey";
    const caption = element("h2", { class: "caption tabular" }, t(name, { n: index }));
    return [caption, this.print(axis, index, light, side)];
  }

  /** @param {Axis} axis @param {number} index @param {Light} light @param {"row" | "col"} side */
  print(axis, index, light, side) {
    const pieces = piecesOf(axis);
    const [start, stop] = [Math.max(0, index - AROUND), Math.min(pieces.length, index + AROUND + 1)];
    const made = madeFrom(axis) ?? Infinity;
    const tokens = [];
    for (let at = start; at < stop; at++) {
      const [first, last] = picture(axis, at);
      // The brightest of a picture's patches stands for all of it.
      for (let patch = first; patch < last; patch++) if (light(patch) > light(at)) at = patch;
      const text = last > first ? t("patchesWord", { n: last - first }) : pieces[at];
      // A text reads in its own direction; a special token is no part of it and reorders none of it.
      const apart = axis.special[at] ? { dir: "ltr" } : {};
      const node = element("span", { class: "piece", ...apart, textContent: text, data: { [side]: at } });
      const weight = light(at);
      if (weight >= FAINT) node.style.setProperty("--light", weight.toFixed(3));
      node.classList.toggle("marked", at === index);
      node.classList.toggle("made-word", at >= made);
      tokens.push(node);
      if (last > first) at = last - 1;
    }
    return element(
      "p",
      { class: "sentence passage", dir: "auto" },
      ...(start > 0 ? ["…"] : []),
      ...tokens,
      ...(stop < pieces.length ? ["…"] : []),
    );
  }
}
