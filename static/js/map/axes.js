/**
 * Axes around a map: labels of ours at once, and Plotly's, with its pan and zoom, once it is here and the map rests.
 * Plotly is many times as large as the page, so no picture waits for it; without it the labels stay ours.
 */

import { byId } from "../views/dom.js";
import { drawLabels } from "./axis-labels.js";
import { CONFIG, onGesture } from "./plot.js";
import { loadedPlotly, plotly } from "./plotly.js";

/** @typedef {import("./axis-labels.js").Layout} Layout */
/** @typedef {import("./plot.js").Options} Options */

const FIRST = 150; // milliseconds after the first picture: what it still asks for goes before
const REST = 60; // milliseconds without another picture: a wheel that turns, or keys that step, are not waited upon

// The trace draws nothing: it is there so that the axes are.
/** @type {Options[]} */
const NOTHING = [{ type: "scatter", x: [0], y: [0], mode: "markers", opacity: 0, hoverinfo: "none" }];

/** @type {(work: () => void) => void} once nothing else is to be done, where a browser can tell */
const whenIdle = (work) => (window.requestIdleCallback ? window.requestIdleCallback(work, { timeout: 1000 }) : work());

export class Axes {
  /**
   * @param {HTMLElement} plot Plotly's place
   * @param {(change: import("./plot.js").Relayout, done: boolean) => void} moved by Plotly's own gestures
   */
  constructor(plot, moved) {
    this.plot = plot;
    this.moved = moved;
    this.canvas = byId("axis-labels");
    /** @type {Layout | null} */
    this.layout = null;
    this.drawn = ""; // the layout that Plotly shows
    this.timer = 0;
    this.ready = false;
  }

  /** @param {Layout} layout */
  show(layout) {
    this.layout = layout;
    this.plot.hidden = false;
    clearTimeout(this.timer);
    if (JSON.stringify(layout) === this.drawn) return this.settle();
    delete this.plot.dataset.axes; // until Plotly follows, its labels are another view's
    drawLabels(this.canvas, layout);
    this.canvas.hidden = false;
    this.timer = window.setTimeout(() => whenIdle(() => void this.follow()), loadedPlotly() ? REST : FIRST);
  }

  /** Somebody is about to drag: what can follow does. */
  hurry() {
    if (!loadedPlotly()) plotly().catch(() => {});
  }

  hide() {
    clearTimeout(this.timer);
    this.layout = null;
    this.plot.hidden = this.canvas.hidden = true;
  }

  /** Plotly draws what is on show. */
  async follow() {
    const Plotly = await plotly().catch(() => null);
    const { layout } = this;
    if (!Plotly || !layout) return;
    const said = JSON.stringify(layout);
    await Plotly.react(this.plot, NOTHING, structuredClone(layout), CONFIG);
    this.drawn = said;
    if (!this.ready) {
      this.ready = true;
      onGesture(this.plot, (change, done) => {
        this.drawn = ""; // its ranges are its own now
        this.moved(change, done);
      });
    }
    if (this.layout === layout) this.settle();
  }

  settle() {
    this.plot.dataset.axes = "drawn";
    this.canvas.hidden = true;
  }
}
