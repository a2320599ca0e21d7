/** One section of the essay: what is said, the formula, the figure, a question whose answer unfolds, and where to go on. */

import { encodeState } from "../link.js";
import { isAbort, asError } from "../api/request.js";
import { element, onceAFrame } from "../views/dom.js";
import { t } from "../text/i18n.js";
import { mayPass, wordsOf } from "../text/problems.js";

/** @typedef {Partial<import("../types.js").State>} Link to a view of the explorer */

const NEAR = "480px"; // a figure is measured when it is so near the window

/** What a section has of its own: a figure that is measured when it comes near, and drawn anew when words or colours change. */
export class Figure {
  constructor() {
    this.room = element("div", { class: "figure-room" });
    this.trouble = element("p", { class: "problem", role: "alert", hidden: true });
    this.source = element("p", { class: "quiet small source" });
    this.told = element("p", { class: "told", role: "status" });
    this.begun = false;
    this.shown = false; // the answer, in the figure
    this.auto = true; // measured once it is near; else when the reader asks
    /** @type {Error | null} */
    this.error = null;
    /** @type {AbortController | null} of the measurement under way */
    this.under = null;
    this.drawSoon = onceAFrame(() => this.draw());
  }

  /** Measures, for the first time or again; an earlier measurement is given up. */
  async measure() {
    this.begun = true;
    this.under?.abort();
    const under = (this.under = new AbortController());
    this.room.dataset.state = "waiting";
    try {
      await this.ask(under.signal);
      if (this.under !== under) return;
      this.say(null);
      this.room.dataset.state = "ready";
      this.draw();
    } catch (error) {
      if (this.under !== under || (isAbort(error) && under.signal.aborted)) return;
      this.room.dataset.state = "failed";
      this.say(asError(error));
    }
  }

  /** Says what went wrong, and offers to try again. @param {Error | null} error */
  say(error) {
    this.error = error;
    this.trouble.hidden = !error;
    if (!error) return;
    const again = element("button", { type: "button", class: "small", on: { click: () => void this.measure() } }, t("labAgain"));
    this.trouble.replaceChildren(wordsOf(error), ...(mayPass(error) ? [" ", again] : []));
  }

  /** Asks the service for all that is drawn. @param {AbortSignal} signal of a reader who has not gone on */
  async ask(signal) {
    signal.throwIfAborted();
  }

  /** Draws what was measured, in the language and colours of now. */
  draw() {}

  /** Sets the figure so that the answer can be seen in it. @returns {void | Promise<void>} */
  show() {}

  /** The view of the explorer that goes on from here. @returns {Link} */
  link() {
    return {};
  }
}

export class Section {
  /** @param {string} name of its texts and its address @param {Node[]} formulas @param {Figure} figure */
  constructor(name, formulas, figure) {
    this.name = name;
    this.figure = figure;
    const words = (/** @type {string} */ part) => ({ t: `lab_${name}_${part}` });
    const show = element("button", { type: "button", data: { t: "labShow" }, on: { click: () => void this.show() } });
    this.onward = element("a", { class: "onward", data: words("link") });
    this.answer = element(
      "details",
      { class: "question" },
      element("summary", { data: words("question") }),
      element("p", { data: words("answer") }),
      element("div", { class: "row" }, show),
      figure.told,
    );
    this.root = element(
      "section",
      { id: name, "aria-labelledby": `${name}-title` },
      element("h2", { id: `${name}-title`, data: words("title") }),
      element("p", { class: "prose", data: words("text") }),
      element("div", { class: "formula", tabIndex: 0, role: "group", data: { tLabel: "labFormula" } }, ...formulas),
      element("div", { class: "figure" }, figure.room, figure.trouble, figure.source),
      this.answer,
      element("p", {}, this.onward),
    );
    this.entry = element("li", {}, element("a", { href: `#${name}`, data: words("short") }));
    this.onward.addEventListener("pointerenter", () => this.point());
    this.onward.addEventListener("focus", () => this.point());
    this.onward.addEventListener("click", () => this.point());
  }

  /** Measures the figure once it comes near the window. */
  watch() {
    this.point();
    if (!this.figure.auto) return;
    const seen = new IntersectionObserver(
      (entries) => {
        if (!entries.some(({ isIntersecting }) => isIntersecting)) return;
        seen.disconnect();
        void this.figure.measure();
      },
      { rootMargin: NEAR },
    );
    seen.observe(this.figure.room);
  }

  async show() {
    try {
      await this.figure.show();
    } catch (error) {
      if (!isAbort(error)) this.figure.say(asError(error));
    }
  }

  /** The link of what the figure shows now. */
  point() {
    const state = encodeState(this.figure.link());
    this.onward.href = state ? `./#${state}` : "./";
  }

  /** Other words, other colours. */
  translate() {
    if (this.figure.error) this.figure.say(this.figure.error);
    if (this.figure.begun) this.figure.draw();
  }
}
