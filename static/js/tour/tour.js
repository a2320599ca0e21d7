/** Four steps around the page for who sees it first; offered in one quiet word, and put away for good. */

import { putAway, wasPutAway } from "../preferences.js";
import { t } from "../text/i18n.js";
import { announce } from "../views/controls.js";
import { byId, element } from "../views/dom.js";
import { closeDrawer, openDrawer } from "../views/drawer.js";
import { NARROW } from "../views/narrow.js";

/** @type {{name: string, place: string}[]} what each step is of */
const STEPS = [
  { name: "sentence", place: "say" },
  { name: "rail", place: "layers" },
  { name: "map", place: "stage" },
  { name: "weight", place: "tell" },
];
const AWAY = 12; // pixels between what is told of and the note that tells of it
const EDGE = 8; // and between a note and the window's edge

/** @implements {Pick<import("../features.js").Feature, "translate" | "answered" | "keys">} */
export class Tour {
  /** @param {import("../features.js").Page} page */
  constructor({ explorer }) {
    this.explorer = explorer;
    this.at = -1;
    /** @type {Element | null} what had the focus before */
    this.before = null;
    const make = (/** @type {string} */ id, /** @type {() => void} */ click, look = "small") =>
      element("button", { type: "button", class: look, id, on: { click } });
    this.offer = make("tour-offer", () => this.start(), "plain small");
    if (NARROW.matches) byId("reading-close").before(this.offer);
    else byId("hover-line").append(this.offer);
    this.begin = make("tour-begin", () => {
      byId("help").close();
      this.start();
    });
    byId("help").append(this.begin);
    this.title = element("h2", { id: "tour-title", tabIndex: -1 });
    this.text = element("p", { id: "tour-text" });
    this.count = element("span", { class: "quiet small tabular" });
    this.back = make("tour-back", () => this.go(this.at - 1), "plain small");
    this.on = make("tour-on", () => this.go(this.at + 1), "main small");
    this.close = make("tour-close", () => this.end(), "plain small");
    const line = element("div", { class: "tour-line" }, this.count, this.back, this.on);
    this.note = element("section", { class: "tour", id: "tour", role: "dialog", hidden: true }, this.close, this.title, this.text, line);
    this.note.setAttribute("aria-labelledby", "tour-title");
    this.note.setAttribute("aria-describedby", "tour-text");
    this.note.addEventListener("keydown", (event) => this.key(event));
    this.ring = element("div", { class: "tour-ring", hidden: true });
    document.body.append(this.ring, this.note);
    window.addEventListener("resize", () => this.place());
    this.keys = { keyTour: () => this.start() };
  }

  /** In the page's language. */
  translate() {
    this.offer.textContent = t("tourOffer");
    this.begin.textContent = t("tourBegin");
    this.back.textContent = t("tourBack");
    this.on.textContent = t("tourOn");
    this.close.textContent = "×";
    this.close.setAttribute("aria-label", t("tourClose"));
    this.close.title = t("tourClose");
    this.offer.hidden = wasPutAway("tour");
    if (this.at >= 0) this.show();
  }

  /** Without a map there is nothing to go around. */
  answered() {
    if (!this.explorer.session) this.hide();
  }

  start() {
    if (!this.explorer.session) return;
    this.before = document.activeElement;
    this.go(0);
  }

  /** @param {number} at past the last: the end */
  go(at) {
    if (at < 0) return;
    if (at >= STEPS.length) return this.end();
    this.at = at;
    if (STEPS[at].place === "tell") openDrawer();
    else closeDrawer();
    this.show();
    this.title.focus({ preventScroll: true });
  }

  /** It was seen: it is not offered again. */
  end() {
    putAway("tour");
    this.offer.hidden = true;
    this.hide();
    announce(t("tourEnded"));
    const { before } = this;
    if (before instanceof HTMLElement && before.checkVisibility()) before.focus();
    else byId("map").focus();
  }

  hide() {
    this.at = -1;
    this.note.hidden = this.ring.hidden = true;
  }

  show() {
    const { name } = STEPS[this.at];
    this.title.textContent = t(`tour_${name}`);
    this.text.textContent = t(`tour_${name}_text`);
    this.count.textContent = t("tourCount", { at: this.at + 1, of: STEPS.length });
    this.back.hidden = this.at === 0;
    this.on.textContent = t(this.at === STEPS.length - 1 ? "tourEnd" : "tourOn");
    this.note.hidden = false;
    byId(STEPS[this.at].place).scrollIntoView({ block: "nearest" });
    this.place();
  }

  /** Puts the note beside what it tells of: below, above, or else inside of it. */
  place() {
    if (this.at < 0) return;
    const { left, top, right, bottom } = byId(STEPS[this.at].place).getBoundingClientRect();
    const [wide, high] = [document.documentElement.clientWidth, window.innerHeight];
    const { offsetWidth: width, offsetHeight: height } = this.note;
    /** @param {number} at @param {number} most */
    const inside = (at, most) => Math.max(EDGE, Math.min(at, most - EDGE));
    let [x, y] = [left, bottom + AWAY];
    if (right + AWAY + width < wide) [x, y] = [right + AWAY, top];
    else if (left - AWAY - width > 0 && left > wide / 2) [x, y] = [left - AWAY - width, top];
    else if (bottom + AWAY + height > high) y = top - AWAY - height > 0 ? top - AWAY - height : high - height - EDGE;
    Object.assign(this.note.style, { left: `${inside(x, wide - width)}px`, top: `${inside(y, high - height)}px` });
    const box = { left: inside(left, wide), top: inside(top, high), right: inside(right, wide), bottom: inside(bottom, high) };
    Object.assign(this.ring.style, { left: `${box.left}px`, top: `${box.top}px`, width: `${box.right - box.left}px`, height: `${box.bottom - box.top}px` });
    this.ring.hidden = false;
  }

  /** Arrows go through it, Escape ends it; Tab stays in it. @param {KeyboardEvent} event */
  key(event) {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (by) this.go(this.at + by);
    else if (event.key === "Escape") this.end();
    else if (event.key === "Tab") {
      const list = [this.close, this.back, this.on].filter((button) => !button.hidden);
      const now = list.findIndex((button) => button === document.activeElement);
      const next = now < 0 ? (event.shiftKey ? list.length - 1 : list.indexOf(this.on)) : now + (event.shiftKey ? -1 : 1);
      list[(next + list.length) % list.length].focus();
    } else return;
    event.preventDefault();
    event.stopPropagation(); // the page's own keys are for its map
  }
}
