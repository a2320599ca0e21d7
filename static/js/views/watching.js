/** Shows an answer while it is written: its text, and its map as it grows; not before it has taken a moment. */

import { t } from "../text/i18n.js";
import { byId, element } from "./dom.js";

/** @typedef {import("../source/writing.js").Writing} Writing */
/** @typedef {Pick<import("../map/heatmap/heatmap.js").Shown, "scale" | "palette" | "theme">} Style */

const PATIENCE = 300; // milliseconds: what is there sooner needs no show

export class Watching {
  /** @param {import("../map/heatmap/heatmap.js").Heatmap} heatmap @param {() => Style} style */
  constructor(heatmap, style) {
    this.heatmap = heatmap;
    this.style = style;
    this.begun = performance.now();
    /** @type {number} a frame that is asked for; 0: none */
    this.frame = 0;
    /** @type {Writing | null} */
    this.writing = null;
    this.drawn = false;
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
    const text = element("p", { class: "answer written", dir: "auto" }, writing.text);
    byId("prediction").replaceChildren(element("h2", { class: "caption" }, t("writing")), text);
    byId("prediction").hidden = byId("result").hidden = false;
    byId("result").classList.add("is-writing");
    byId("empty").hidden = true;
    const { place } = writing;
    const drawn = writing.drawn();
    if (!drawn || !place) return;
    this.drawn = true;
    byId("map").dataset.state = "ready";
    byId("now").textContent = t("writingHead", { n: drawn.map.rows });
    this.heatmap.show({ ...drawn, ...this.style(), rows: null, cols: null });
  }

  /** It is written, or never will be. */
  end() {
    this.writing = null;
    cancelAnimationFrame(this.frame);
    byId("result").classList.remove("is-writing");
    if (byId("prediction").querySelector(".written")) byId("prediction").hidden = true;
  }
}
