/** Shows an answer while it is written: its text, and its map as it grows; not before it has taken a moment. */

import { t } from "../text/i18n.js";
import { byId, element, setMapState } from "./dom.js";

/** @typedef {import("../source/writing.js").Writing} Writing */
/** @typedef {Pick<import("../map/heatmap/heatmap.js").Shown, "scale" | "palette" | "theme">} Style */

const PATIENCE = 300; // milliseconds: what is there sooner needs no show

/** @type {(() => void) | null} ends the answer that is being written */
let stopping = null;

/** Ends the answer that is being written, if there is one: what is written stays. */
export const stopWriting = () => stopping?.();

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
    this.drawn = false;
    this.text = element("p", { class: "answer written", dir: "auto" });
    this.count = element("span", { class: "quiet small tabular", id: "written-count" });
    this.bar = element("progress", { max: most || 1, hidden: !most, "aria-hidden": "true" });
    const button = element("button", {
      type: "button",
      class: "small",
      id: "stop-writing",
      title: t("stopTitle"),
      textContent: `■ ${t("stopWriting")}`,
      on: { click: stop },
    });
    this.line = element("div", { class: "writing-line" }, button, this.bar, this.count);
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
    const n = writing.labels.length;
    this.text.textContent = writing.text;
    this.bar.value = n;
    this.count.textContent = this.most ? t("writtenOfMost", { n, most: this.most }) : t("writtenSoFar", { n });
    if (!this.text.isConnected)
      byId("prediction").replaceChildren(element("h2", { class: "caption" }, t("writing")), this.text);
    if (!this.line.isConnected) byId("result").append(this.line);
    stopping = this.stop;
    byId("prediction").hidden = byId("result").hidden = false;
    byId("result").classList.add("is-writing");
    byId("empty").hidden = true;
    const { place } = writing;
    const drawn = writing.drawn();
    if (!drawn || !place) return;
    this.drawn = true;
    if (!byId("map").dataset.state) setMapState("writing");
    byId("now").textContent = t("writingHead", { n: drawn.map.rows });
    this.heatmap.show({ ...drawn, ...this.style(), rows: null, cols: null });
  }

  /** It is written, or never will be. */
  end() {
    this.writing = null;
    if (stopping === this.stop) stopping = null;
    cancelAnimationFrame(this.frame);
    this.line.remove();
    byId("result").classList.remove("is-writing");
    if (byId("prediction").querySelector(".written")) byId("prediction").hidden = true;
  }
}
