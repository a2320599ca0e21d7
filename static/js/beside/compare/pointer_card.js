/** The card at the pointer of a comparison: both weights of a cell, and their difference. */

import { exact } from "../../map/cells.js";
import { t } from "../../text/i18n.js";
import { isolated } from "../../text/isolate.js";
import { tokenText } from "../../text/words.js";
import { element } from "../../views/dom.js";

/** @typedef {import("../../types.js").Axis} Axis */
/** @typedef {import("../../types.js").Cell} Cell */

const AWAY = 16; // pixels from the pointer

export class PointerCard {
  constructor() {
    this.root = element("div", { class: "card compare-card", id: "compare-card", "aria-hidden": "true", hidden: true });
    document.body.append(this.root);
  }

  /** Whether it is there. */
  get shown() {
    return !this.root.hidden;
  }

  hide() {
    this.root.hidden = true;
  }

  /** A cell by its tokens. @param {{queries: Axis, keys: Axis}} axes @param {Cell} cell */
  cellName({ queries, keys }, { row, col }) {
    return `${isolated(tokenText(queries, row))} → ${isolated(tokenText(keys, col))}`;
  }

  /** @param {PointerEvent} event @param {string} title @param {[string, number, boolean][]} rows a name, a value, whether a plus is shown */
  show({ clientX: x, clientY: y }, title, rows) {
    const lines = rows.flatMap(([name, value, signed]) => [
      element("dt", {}, name),
      element("dd", { class: "tabular" }, Number.isNaN(value) ? t("compareUnmatched") : (signed || value < 0 ? signOf(value) : "") + exact(Math.abs(value))),
    ]);
    this.root.replaceChildren(element("p", {}, title), element("dl", { class: "facts" }, ...lines));
    this.root.hidden = false;
    const { offsetWidth: width, offsetHeight: height } = this.root;
    const left = x + AWAY + width > window.innerWidth ? x - AWAY - width : x + AWAY;
    const top = y + AWAY + height > window.innerHeight ? y - AWAY - height : y + AWAY;
    this.root.style.transform = `translate(${Math.max(left, 0)}px, ${Math.max(top, 0)}px)`;
  }
}

/** @param {number} value */
const signOf = (value) => (value > 0 ? "+" : value < 0 ? "−" : "");
