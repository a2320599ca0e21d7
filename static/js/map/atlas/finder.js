/** The field that goes to a token: its number, or a text with the matches before and after. */

import { byId } from "../../views/dom.js";
import { t } from "../../text/i18n.js";
import { nextAfter, search } from "../../text/find.js";

/** @typedef {import("../../types.js").Axis} Axis */

export class Finder {
  /**
   * @param {object} on
   * @param {(side: "queries" | "keys", match: import("../../text/find.js").Match) => void} on.go
   * @param {(side: "queries" | "keys") => number} on.from the token to search from
   */
  constructor(on) {
    this.on = on;
    this.field = byId("find");
    this.side = byId("find-side");
    /** @type {import("../../text/find.js").Match[]} */
    this.matches = [];
    /** @type {Axis | null} */
    this.queries = null;
    /** @type {Axis | null} */
    this.keys = null;
    this.at = -1;
    this.field.addEventListener("input", () => this.look());
    this.side.addEventListener("change", () => this.look());
    byId("finder").addEventListener("submit", (event) => {
      event.preventDefault();
      this.step(1);
    });
    this.field.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || !event.shiftKey) return;
      event.preventDefault();
      this.step(-1);
    });
    byId("find-back").addEventListener("click", () => this.step(-1));
    byId("find-on").addEventListener("click", () => this.step(1));
  }

  /** @param {Axis} queries @param {Axis} keys those of the map on show */
  use(queries, keys) {
    const changed = this.queries !== queries || this.keys !== keys;
    this.queries = queries;
    this.keys = keys;
    this.side.hidden = queries === keys;
    if (changed) this.look();
  }

  get axis() {
    return this.which === "keys" ? this.keys : this.queries;
  }

  /** @returns {"queries" | "keys"} */
  get which() {
    return !this.side.hidden && this.side.value === "keys" ? "keys" : "queries";
  }

  /** What is typed changed: count, and wait for Enter. */
  look() {
    this.matches = this.axis ? search(this.axis, this.field.value) : [];
    this.at = -1;
    this.count();
  }

  /** @param {-1 | 1} by */
  step(by) {
    const { length } = this.matches;
    if (!length) return this.count();
    const first = nextAfter(this.matches, this.on.from(this.which));
    this.at = this.at < 0 ? (by > 0 ? first : (first - 1 + length) % length) : (this.at + by + length) % length;
    this.count();
    this.on.go(this.which, this.matches[this.at]);
  }

  /** How many there are. */
  count() {
    const { length } = this.matches;
    const asked = this.field.value.trim() !== "";
    const count = this.at < 0 ? t("matchCount", { n: length }) : t("matchAt", { at: this.at + 1, n: length });
    byId("match-count").textContent = asked ? (length ? count : t("matchNone")) : "";
    byId("find-back").disabled = byId("find-on").disabled = !length;
    this.field.setAttribute("aria-invalid", String(asked && !length));
  }

  focus() {
    this.field.focus();
    this.field.select();
  }
}
