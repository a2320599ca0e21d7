/**
 * Shows an answer while it is written: its text, and its map as it grows; not before it has taken a moment. The show can be
 * paused, and what is there stepped through, while more is read; a paused answer ends when the show goes on.
 */

import { t } from "../text/i18n.js";
import { announce } from "./controls.js";
import { byId, element, setMapState, setText } from "./dom.js";

/** @typedef {import("../source/writing.js").Writing} Writing */
/** @typedef {Pick<import("../map/heatmap/heatmap.js").Shown, "scale" | "palette" | "theme">} Style */

const PATIENCE = 300; // milliseconds: what is there sooner needs no show

/** @type {Watching | null} the answer that is on show while it is written */
let watching = null;

/** Ends the answer that is being written, if there is one: what is written stays. */
export const stopWriting = () => watching?.end();

/** Pauses what is being written, or goes on. @returns {boolean} whether something is */
export function toggleWriting() {
  watching?.toggle();
  return watching !== null;
}

/** Steps through what is written so far. @param {number} by tokens @returns {boolean} whether something is being written */
export function stepWriting(by) {
  watching?.step(by);
  return watching !== null;
}

/** In the page's language. */
export const translateWriting = () => watching?.draw();

export class Watching {
  /**
   * @param {import("../map/heatmap/heatmap.js").Heatmap} heatmap
   * @param {() => Style} style
   * @param {number} most tokens that the answer may have; 0: nobody knows
   * @param {() => void} stop
   */
  constructor(heatmap, style, most, stop) {
    this.most = most;
    this.stop = stop;
    this.heatmap = heatmap;
    this.style = style;
    this.begun = performance.now();
    /** @type {number} a frame that is asked for; 0: none */
    this.frame = 0;
    /** @type {Writing | null} */
    this.writing = null;
    /** @type {number | null} tokens on show while it is paused; null: all that there are */
    this.at = null;
    this.whole = false; // it is written to its end
    /** @type {(() => void) | null} goes on with what waits for the show */
    this.resume = null;
    this.drawn = false;
    this.text = element("p", { class: "answer written", dir: "auto" });
    this.count = element("span", { class: "quiet small tabular", id: "written-count" });
    this.bar = element("progress", { max: most || 1, hidden: !most, "aria-hidden": "true" });
    /** @param {string} id @param {() => void} click */
    const button = (id, click) => element("button", { type: "button", class: "small step-button", id, on: { click } });
    this.ending = button("stop-writing", () => this.end());
    this.back = button("written-back", () => this.step(-1));
    this.pausing = button("pause-writing", () => this.toggle());
    this.on = button("written-on", () => this.step(1));
    this.line = element("div", { class: "writing-line" });
    this.line.append(this.ending, this.back, this.pausing, this.on, this.bar, this.count);
  }

  /** @param {Writing} writing @returns {boolean} whether it is on show now */
  show(writing) {
    this.writing = writing;
    if (performance.now() - this.begun < PATIENCE) return false;
    this.frame ||= requestAnimationFrame(() => this.draw());
    return true;
  }

  draw() {
    this.frame = 0;
    const { writing } = this;
    if (!writing) return;
    this.say(writing.labels.length);
    const n = this.at ?? writing.labels.length;
    setText(this.text, writing.text(n));
    if (!this.text.isConnected)
      byId("prediction").replaceChildren(element("h2", { class: "caption" }, t("writing")), this.text);
    if (!this.line.isConnected) byId("result").append(this.line);
    watching = this;
    byId("prediction").hidden = byId("result").hidden = false;
    byId("result").classList.add("is-writing");
    byId("empty").hidden = true;
    const { place } = writing;
    const drawn = writing.drawn(n);
    if (!drawn || !place) return;
    this.drawn = true;
    if (!byId("map").dataset.state) setMapState("writing");
    byId("now").textContent = t("writingHead", { n: drawn.map.rows });
    this.heatmap.show({ ...drawn, ...this.style(), rows: null, cols: null });
  }

  /** The controls and how far it is. @param {number} n tokens that there are */
  say(n) {
    const { at, most, whole } = this;
    const paused = at !== null;
    this.bar.value = n;
    const far = most ? t("writtenOfMost", { n, most }) : t("writtenSoFar", { n });
    setText(this.count, paused ? t(whole ? "writingHeldWhole" : "writingHeld", { at, n }) : far);
    setText(this.ending, `■ ${t("stopWriting")}`);
    setText(this.back, "‹");
    setText(this.on, "›");
    setText(this.pausing, paused ? "▶" : "❚❚");
    /** @type {[HTMLButtonElement, string][]} */
    const names = [
      [this.ending, t("stopTitle")],
      [this.back, t("keyStepBack")],
      [this.pausing, t(paused ? "writingResume" : "writingPause")],
      [this.on, t("keyStepOn")],
    ];
    for (const [button, name] of names) {
      button.title = name;
      if (button !== this.ending) button.setAttribute("aria-label", name);
    }
    this.pausing.setAttribute("aria-pressed", String(paused));
    this.ending.disabled = whole;
    this.back.disabled = (at ?? n) < 2;
    this.on.disabled = !paused || at === n;
  }

  /** Pauses at the token that is on show, or goes on with what is there by now. */
  toggle() {
    if (this.at === null) return this.step(0);
    this.at = null;
    this.resume?.();
    this.draw();
  }

  /** Pauses so many tokens further. @param {number} by */
  step(by) {
    const n = this.writing?.labels.length ?? 0;
    if (!n || (this.at === null && by > 0)) return;
    this.at = Math.min(Math.max((this.at ?? n) + by, 1), n);
    this.draw();
    announce(this.count.textContent ?? "");
  }

  /** It is written: waits until the show goes on, if it is paused. @param {AbortSignal} signal */
  async finished(signal) {
    this.whole = true;
    if (this.at === null || signal.aborted) return;
    this.draw();
    /** @type {Promise<void>} */
    const resumed = new Promise((resolve) => (this.resume = resolve));
    const resume = () => this.resume?.();
    signal.addEventListener("abort", resume);
    await resumed;
    signal.removeEventListener("abort", resume);
  }

  /** The reader has enough. */
  end() {
    this.at = null;
    this.stop();
    this.resume?.();
  }

  /** It is written, or never will be. */
  close() {
    this.writing = null;
    if (watching === this) watching = null;
    cancelAnimationFrame(this.frame);
    this.line.remove();
    byId("result").classList.remove("is-writing");
    if (byId("prediction").querySelector(".written")) byId("prediction").hidden = true;
  }
}
