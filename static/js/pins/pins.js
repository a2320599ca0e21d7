/** Cells that a reader pins, each with a short note: numbered on the map, listed beside it, kept in the link. */

import { sameDraft } from "../input/draft.js";
import { decodeState } from "../link.js";
import { showPins } from "../map/pins.js";
import { siteName, t } from "../text/i18n.js";
import { isolated } from "../text/isolate.js";
import { tokenText } from "../text/words.js";
import { notice } from "../views/controls.js";
import { byId, element, setText } from "../views/dom.js";
import { openDrawer } from "../views/drawer.js";
import { decodePins, encodePins, LONGEST_NOTE, MOST_PINS } from "./codec.js";

/** @typedef {import("./codec.js").Pin} Pin */
/** @typedef {import("../source/session.js").Session} Session */
/** @typedef {import("../types.js").State} State */

/** @implements {Pick<import("../features.js").Feature, "translate" | "changed" | "answered" | "use" | "keep" | "keys">} */
export class Pins {
  /** @param {import("../features.js").Page} page */
  constructor({ explorer }) {
    this.explorer = explorer;
    /** @type {Pin[]} */
    this.list = [];
    this.shown = ""; // the state's, as they were read last
    /** @type {import("../types.js").Draft | null} what the pins are of; null: of whatever comes to be shown */
    this.draft = null;
    this.drawn = "";
    this.title = element("h2", { class: "caption" });
    this.entries = element("ol", { class: "pin-list" });
    this.note = element("input", { type: "text", id: "pin-note", maxLength: LONGEST_NOTE, autocomplete: "off" });
    this.note.dir = "auto";
    this.button = element("button", { type: "submit", class: "small", id: "pin-add" });
    const submit = (/** @type {Event} */ event) => {
      event.preventDefault();
      this.pin(this.note.value.trim());
    };
    const form = element("form", { class: "pin-form", on: { submit } }, this.note, this.button);
    byId("derivation").before(element("section", { id: "pins" }, this.title, this.entries, form));
    this.keys = { keyNote: () => this.ask() };
  }

  /** The head, or the heads, on show. */
  get place() {
    const { state, head, over } = this.explorer;
    return { site: state.site, layer: head.layer, head: over || head.head };
  }

  /** The kept cell's pin, by its place in the list. */
  get at() {
    const { row, col } = this.explorer.kept;
    const { site, layer, head } = this.place;
    return this.list.findIndex((pin) => pin.row === row && pin.col === col && pin.site === site && pin.layer === layer && pin.head === head);
  }

  /** @param {State} state */
  changed({ pins, site, layer, head, over }) {
    if (pins !== this.shown) [this.list, this.shown, this.draft] = [decodePins(pins), pins, null];
    const look = JSON.stringify([pins, site, layer, head, over]);
    if (look !== this.drawn) this.draw();
    this.drawn = look;
  }

  /** Pins are of one answer: another has none, but those that its link brings. @param {Session | null} session */
  answered(session) {
    if (this.draft && session && !sameDraft(this.draft, session.draft)) this.write([]);
    this.draw();
  }

  /** Another map is on show. @param {import("../features.js").Shown} shown */
  use({ session }) {
    this.draft ??= session.draft;
    this.draw();
  }

  /** Another cell is kept. */
  keep() {
    this.refresh();
  }

  /** In the page's language. */
  translate() {
    setText(this.title, t("pins"));
    this.note.placeholder = t("pinNote");
    this.note.setAttribute("aria-label", t("pinNote"));
    this.draw();
  }

  /** The form follows the kept cell. */
  refresh() {
    const pin = this.list[this.at];
    if (document.activeElement !== this.note) this.note.value = pin?.note ?? "";
    setText(this.button, t(pin ? "pinChange" : "pinAdd"));
    this.button.title = t("keyNote");
  }

  /** Pins the kept cell, and asks for a note. */
  ask() {
    if (!this.explorer.map) return;
    if (this.at < 0) this.pin("");
    openDrawer();
    this.note.focus();
    this.note.select();
  }

  /** @param {string} note of the kept cell */
  pin(note) {
    const { map, kept } = this.explorer;
    if (!map) return;
    const { at } = this;
    const pin = { ...this.place, row: kept.row, col: kept.col, note };
    if (at < 0 && this.list.length >= MOST_PINS) return notice(t("pinsMost", { n: MOST_PINS }));
    this.write(at < 0 ? [...this.list, pin] : this.list.with(at, pin));
    const linked = decodeState(window.location.hash).pins === this.shown;
    notice(t(linked ? (at < 0 ? "pinned" : "pinChanged") : "pinsLong"));
  }

  /** @param {Pin[]} list */
  write(list) {
    this.explorer.record({ pins: encodePins(list) }, "replace");
    this.draft = this.explorer.session?.draft ?? null;
    this.refresh();
  }

  /** @param {number} at */
  remove(at) {
    this.write(this.list.filter((_, index) => index !== at));
    notice(t("pinRemoved"));
    this.button.focus({ preventScroll: true });
  }

  /** Shows a pin's head and cell. @param {Pin} pin */
  go({ site, layer, head, row, col }) {
    const over = head === "mean" || head === "max" ? head : "";
    const { place } = this;
    if (place.site === site && place.layer === layer && place.head === head) return this.explorer.choose({ row, col });
    return this.explorer.go({ site, layer, over, row, col, ...(typeof head === "number" ? { head } : {}) }, "push");
  }

  /** The list, and the marks on the map. */
  draw() {
    const { session } = this.explorer;
    const here = this.place;
    const known = this.list.map((pin, at) => ({ pin, number: at + 1, words: session ? wordsOf(session, pin) : "" }));
    this.entries.replaceChildren(...known.map(({ pin, number, words }, at) => this.entry(pin, number, words, at)));
    this.entries.hidden = known.length === 0;
    showPins(
      known
        .filter(({ pin }) => pin.site === here.site)
        .map(({ pin, number, words }) => ({
          ...{ row: pin.row, col: pin.col, number },
          here: pin.layer === here.layer && pin.head === here.head,
          words: pin.note ? `${words}: ${isolated(pin.note)}` : words,
        })),
    );
    this.refresh();
  }

  /** @param {Pin} pin @param {number} number @param {string} words @param {number} at */
  entry(pin, number, words, at) {
    const where = t("pinPlace", { site: siteName(pin.site), layer: pin.layer, head: pin.head });
    return element(
      "li",
      {},
      element("button", { type: "button", class: "plain small pin-go", title: where, on: { click: () => this.go(pin) } }, element("span", { class: "pin-number" }, String(number)), ` ${words}`),
      element("button", { type: "button", class: "plain small", "aria-label": t("pinRemove", { number }), title: t("pinRemove", { number }), on: { click: () => this.remove(at) } }, "×"),
      ...(pin.note ? [element("p", { class: "small pin-note", dir: "auto" }, pin.note)] : []),
    );
  }
}

/** A pin's tokens, or its numbers where the trace has none there. @param {Session} session @param {Pin} pin */
function wordsOf(session, { site, row, col }) {
  if (!session.findSite(site)) return `(${row}, ${col})`;
  const [queries, keys] = [session.queries(site), session.keys(site)];
  if (row >= queries.labels.length || col >= keys.labels.length) return `(${row}, ${col})`;
  return `${isolated(tokenText(queries, row))} → ${isolated(tokenText(keys, col))}`;
}
