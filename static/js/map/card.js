/** The card at the pointer: what the map says under it, in words. */

import { exact, topK, topOf } from "./cells.js";
import { byId, element } from "../views/dom.js";
import { t } from "../text/i18n.js";
import { withBytesApart } from "../text/isolate.js";
import { tokenText } from "../text/words.js";

/** @typedef {import("../types.js").Axis} Axis */
/** @typedef {import("../types.js").HeadMap} HeadMap */
/** @typedef {{query: string, key: string, weight: string, rank: string}} Said of a cell */

const AWAY = 16; // pixels from the pointer
const LISTED = 3;

/** A token that reorders nothing beside it. @param {string} text */
const token = (text) => element("bdi", { class: "token" }, withBytesApart(text));

export class Card {
  constructor() {
    this.root = byId("card");
    this.wanted = false; // whether something of the map is pointed at
    /** @type {[number, number] | null} the pointer, while it is over the map */
    this.at = null;
    const heat = byId("heat");
    const leave = () => {
      this.at = null;
      this.hide();
    };
    heat.addEventListener(
      "pointermove",
      ({ clientX, clientY, pointerType, buttons }) => {
        if (pointerType === "touch" || buttons) return leave(); // a finger hides what it would show
        this.at = [clientX, clientY];
        this.place();
      },
      true,
    );
    heat.addEventListener("pointerleave", leave);
  }

  hide() {
    this.wanted = false;
    this.root.hidden = true;
  }

  /** What is pointed at is a cell. @param {Said} said */
  cell({ query, key, weight, rank }) {
    this.fill(
      element("p", {}, token(query), " → ", token(key)),
      element("p", { class: "card-weight tabular" }, weight),
      element("p", { class: "quiet small tabular" }, rank),
    );
  }

  /**
   * What is pointed at is a row's or a column's label.
   *
   * @param {import("../types.js").Place} place
   * @param {HeadMap} map
   * @param {Axis} queries
   * @param {Axis} keys
   */
  line({ rows, cols }, map, queries, keys) {
    const row = rows?.[0];
    const col = cols?.[0] ?? 0;
    const looks = row !== undefined;
    const list = looks
      ? topK(map, row, LISTED).map((best) => [tokenText(keys, best.col), best.weight])
      : topOf(map, col, LISTED).map((best) => [tokenText(queries, best.row), best.weight]);
    const lines = /** @type {[string, number][]} */ (list);
    this.fill(
      element("p", {}, token(looks ? tokenText(queries, row) : tokenText(keys, col)), ` ${t(looks ? "cardRow" : "cardCol")}`),
      ...lines.map(([text, weight]) => element("p", { class: "tabular" }, token(text), ` ${exact(weight)}`)),
      ...(lines.length ? [] : [element("p", { class: "quiet" }, t("cardNone"))]),
    );
  }

  /** @param {...HTMLElement} lines */
  fill(...lines) {
    if (!this.wanted || !this.at) return;
    this.root.replaceChildren(...lines);
    this.root.hidden = false;
    this.place();
  }

  /** Beside the pointer, inside the window. */
  place() {
    if (this.root.hidden || !this.at) return;
    const [x, y] = this.at;
    const { offsetWidth: width, offsetHeight: height } = this.root;
    const left = x + AWAY + width > window.innerWidth ? x - AWAY - width : x + AWAY;
    const top = y + AWAY + height > window.innerHeight ? y - AWAY - height : y + AWAY;
    this.root.style.transform = `translate(${Math.max(left, 0)}px, ${Math.max(top, 0)}px)`;
  }
}

