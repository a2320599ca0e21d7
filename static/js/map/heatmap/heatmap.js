/** The chosen head's map: cells on a canvas and hit test are ours, so that they answer at once; pan and zoom are Plotly's. */

import { placeOverlays } from "./crosshair.js";
import { byId, onceAFrame } from "../../views/dom.js";
import { anchor, cellAt, cellsIn, insideMap, LABEL_EVERY, labelAt, plotBox, ticks, viewOf, wholeView, zoomed } from "../geometry.js";
import { label, wideAs } from "../../text/labels.js";
import { Axes } from "../axes.js";
import { CHARACTER, FOLDED, viewAfter } from "../plot.js";
import { wordLabels } from "../word-labels.js";
import { layoutOf } from "./layout.js";
import { Painting } from "./painting.js";
import { listen } from "./pointing.js";

/** @typedef {import("../../types.js").HeadMap} HeadMap */
/** @typedef {import("../../types.js").Axis} Axis */
/** @typedef {import("../../types.js").Cell} Cell */
/** @typedef {import("../../types.js").Place} Place */
/** @typedef {import("../../types.js").Range} Range */
/** @typedef {import("../geometry.js").Box} Box */
/** @typedef {import("../geometry.js").Stretch} Stretch */
/** @typedef {import("../geometry.js").View} View */
/**
 * @typedef {object} Shown what is drawn, and how
 * @property {HeadMap} map
 * @property {Axis} queries
 * @property {Axis} keys
 * @property {import("../../types.js").Scale} scale
 * @property {import("../../types.js").Palette} palette
 * @property {import("../../types.js").Theme} theme
 * @property {Range | null} rows in view; null: all
 * @property {Range | null} cols
 *
 * @typedef {object} Frame where the map stands among its labels
 * @property {{width: number, height: number}} room
 * @property {Box} box
 * @property {number} labelWidth
 * @property {number} labelHeight
 * @property {number} angle of the keys' labels
 */

export class Heatmap {
  /**
   * @param {object} on
   * @param {(place: Place | null) => void} on.hover a cell has both, a label a row or a column
   * @param {(cell: Cell) => void} on.choose
   * @param {(place: Place) => void} on.ask a label was clicked
   * @param {(whole: boolean, n: number) => void} on.view after drawing: blocks of n x n cells
   * @param {(rows: Range | null, cols: Range | null) => void} on.moved other cells are in view
   */
  constructor(on) {
    this.on = on;
    this.root = byId("heat");
    this.axes = new Axes(byId("plot"), (change, done) => this.shown && this.dragged(change, done));
    this.painting = new Painting(byId("cells"));
    /** @type {Shown | null} */
    this.shown = null;
    /** @type {Frame | null} */
    this.frame = null;
    /** @type {View} */
    this.view = wholeView(1, 1);
    this.inView = ""; // the cells that the state says are in view
    /** @type {{row?: number, col?: number} | null} */
    this.crosshair = null;
    /** @type {Cell | null} */
    this.chosen = null;
    this.paintSoon = onceAFrame(() => this.paint());
    listen(this);
    this.size = { width: 0, height: 0 }; // as it was told: asking would have all that has changed laid out first
    new ResizeObserver(() => {
      this.size = { width: this.root.clientWidth, height: this.root.clientHeight };
      this.draw();
    }).observe(this.root);
  }

  /** @param {Shown} what */
  show(what) {
    const { map } = what;
    const same = this.shown?.map.rows === map.rows && this.shown?.map.cols === map.cols;
    this.shown = what;
    // Links hold whole cells; between heads of one shape the view stays exactly where the reader left it.
    const inView = JSON.stringify([what.rows, what.cols]);
    if (!same || inView !== this.inView)
      this.view = insideMap(viewOf(what.rows ?? [0, map.rows], what.cols ?? [0, map.cols]), map.rows, map.cols);
    this.inView = inView;
    return this.draw();
  }

  /** Another kind of map takes the room. */
  hide() {
    this.axes.hide();
    this.painting.hide();
    this.shown = this.frame = null;
  }

  /** @param {Shown} shown @returns {Frame} as large as fits */
  framed({ map, queries, keys }) {
    const room = { ...this.size };
    if (FOLDED.matches) room.height = 2 * room.width; // one column: the map is as high as its width asks for
    /** @param {Axis} axis @param {Stretch} range @param {number} count @param {number} length of the room */
    const longest = (axis, range, count, length) => {
      const words = count * LABEL_EVERY > length ? wordLabels(axis) : null; // single letters will have no room
      const texts = words?.map(({ text }) => text) ?? ticks(range, count, 4000).map((index) => label(axis, index));
      return Math.max(2, ...texts.map(wideAs)) * CHARACTER;
    };
    const whole = wholeView(map.rows, map.cols);
    const left = longest(queries, whole.y, map.rows, room.height);
    const top = longest(keys, whole.x, map.cols, room.width);
    const sizes = { left: left + 36, top: 44, right: 8, bottom: 8 };
    let box = plotBox(room, sizes, map.rows, map.cols);
    let angle = 0;
    if (top + 6 > box.width / map.cols) {
      // Slanted labels read better than upright ones, as long as they do not run into each other.
      angle = box.width / map.cols >= 20 ? -45 : -90;
      const rise = angle === -45 ? 0.72 : 1;
      const across = box.width / map.cols;
      /** @param {number} index */
      const over = (index) => wideAs(label(keys, index)) * CHARACTER * rise + 8 - (map.cols - index - 0.5) * across;
      const right = angle === -90 ? 0 : Math.max(...ticks(whole.x, map.cols, 4000).map(over));
      box = plotBox(room, { ...sizes, top: Math.round(top * rise + 40), right: Math.max(8, right) }, map.rows, map.cols);
    }
    if (FOLDED.matches) room.height = box.top + box.height + sizes.bottom;
    const labelHeight = angle === 0 ? 24 : top * (angle === -45 ? 0.72 : 1) + 14;
    return { room, box, labelWidth: left + 12, labelHeight, angle };
  }

  draw() {
    const { shown } = this;
    if (!shown || !this.size.width) return;
    const frame = (this.frame = this.framed(shown));
    this.root.style.height = FOLDED.matches ? `${frame.room.height}px` : "";
    this.paint();
    this.axes.show(layoutOf(shown, this.view, frame));
  }

  /** The cells, and what follows them. */
  paint() {
    const { shown, frame, view } = this;
    if (!shown || !frame) return;
    this.on.view(this.whole(), this.painting.draw(shown, view, frame));
    this.overlay();
  }

  /** The map on show; there is one wherever this is asked for. */
  get map() {
    return /** @type {Shown} */ (this.shown).map;
  }

  whole() {
    const { map, view } = this;
    return view.x[1] - view.x[0] > map.cols - 0.01 && view.y[1] - view.y[0] > map.rows - 0.01;
  }

  /** Pan and zoom by Plotly's own gestures. @param {import("../plot.js").Relayout} change @param {boolean} done */
  dragged(change, done) {
    const view = viewAfter(change, this.view);
    // A drag may pull the map past its edge, as far as Plotly's axes follow it; let go, it lies inside again, as large as it was.
    this.setView(done ? zoomed(view, 1, anchor(view, null), this.map.rows, this.map.cols) : view, done);
  }

  /** @param {View} view @param {boolean} done the gesture is over */
  setView(view, done) {
    this.view = view;
    if (!done) return this.paintSoon();
    const { map } = this;
    const [rows, cols] = this.whole() ? [null, null] : [cellsIn(view.y, map.rows), cellsIn(view.x, map.cols)];
    this.inView = JSON.stringify([rows, cols]);
    this.on.moved(rows, cols);
    this.draw();
  }

  /** @param {number} factor under 1 zooms in, about the chosen cell where it is in view */
  zoom(factor) {
    if (!this.shown) return;
    const { map, view, chosen } = this;
    this.setView(zoomed(view, factor, anchor(view, chosen), map.rows, map.cols), true);
  }

  reset() {
    if (this.shown) this.setView(wholeView(this.map.rows, this.map.cols), true);
  }

  /** Where an event is, from the corner of the plot's room. @param {MouseEvent} event @returns {[number, number]} */
  at(event) {
    const { left, top } = this.root.getBoundingClientRect();
    return [event.clientX - left, event.clientY - top];
  }

  /** What the pointer is over: a cell, or the label of a row or column. @param {MouseEvent} event @returns {Place | null} */
  placeUnder(event) {
    const { map, frame, view } = this;
    if (!frame) return null;
    const cell = cellAt(frame.box, view, ...this.at(event), map.rows, map.cols);
    return cell ? { rows: [cell.row], cols: [cell.col] } : labelAt(frame, view, ...this.at(event), map.rows, map.cols);
  }

  /** The point of the map under the pointer, column and row. @param {MouseEvent} event @returns {[number, number] | null} */
  pointUnder(event) {
    const { map, frame, view } = this;
    const [x, y] = this.at(event);
    if (!frame || !cellAt(frame.box, view, x, y, map.rows, map.cols)) return null;
    const { box } = frame;
    const across = (x - box.left) / box.width;
    const down = (y - box.top) / box.height;
    return [view.x[0] + across * (view.x[1] - view.x[0]), view.y[0] + down * (view.y[1] - view.y[0])];
  }

  /** @param {{row?: number, col?: number} | null} place where the crosshair stands; a row or a column alone will do */
  point(place) {
    this.crosshair = place;
    this.overlay();
  }

  /** @param {Cell} cell */
  keep(cell) {
    this.chosen = cell;
    this.overlay();
  }

  overlay() {
    const { frame, shown, view, crosshair, chosen } = this;
    if (frame && shown) placeOverlays({ ...frame, shown, view, crosshair, chosen });
  }
}
