/** The chosen head's map: Plotly draws cells and axes; crosshair and hit test are here, so that they answer at once. */

import { brief } from "../cells.js";
import { plotlyScale, position } from "../colour.js";
import { placeOverlays } from "./crosshair.js";
import { byId, cssColour } from "../../views/dom.js";
import { anchor, beyond, cellAt, cellsIn, insideMap, plotBox, ticks, viewOf, wholeView, zoomed } from "../geometry.js";
import { label, plotLabel, wideAs } from "../../text/labels.js";
import { CHARACTER, CONFIG, FOLDED, FONT, onGesture, viewAfter } from "../plot.js";
import { plotly } from "../plotly.js";
import { blockSize, pooled } from "./pool.js";

/** @typedef {import("../../types.js").HeadMap} HeadMap */
/** @typedef {import("../../types.js").Axis} Axis */
/** @typedef {import("../../types.js").Cell} Cell */
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

const MOST_NUMBERS = 500; // cells in view with their weight written in them; more are unreadable and slow
const ROOM_FOR_NUMBER = [30, 18];
const DOUBLE_CLICK = 350; // milliseconds

/** How many times as far one stretch reaches. @param {Stretch} wide @param {Stretch} narrow */
const reach = (wide, narrow) => (wide[1] - wide[0]) / (narrow[1] - narrow[0]);

export class Heatmap {
  /**
   * @param {object} on
   * @param {(cell: Cell | null) => void} on.hover
   * @param {(cell: Cell) => void} on.choose
   * @param {(whole: boolean, n: number) => void} on.view after drawing: blocks of n x n cells
   * @param {(rows: Range | null, cols: Range | null) => void} on.moved other cells are in view
   */
  constructor(on) {
    this.on = on;
    this.root = byId("heat");
    this.plot = byId("plot");
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
    /** @type {[number, number] | null} where the pointer went down */
    this.down = null;
    this.clicked = -Infinity;
    this.turn = 0;
    this.ready = false;
    this.root.addEventListener("pointermove", (event) => this.pointed(event));
    this.root.addEventListener("pointerleave", () => this.frame && this.on.hover(null));
    this.root.addEventListener("pointerdown", (event) => (this.down = [event.clientX, event.clientY]), true);
    window.addEventListener("pointerup", (event) => this.released(event), true);
    new ResizeObserver(() => void this.draw()).observe(this.root);
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
    this.plot.hidden = true;
    this.shown = this.frame = null;
  }

  /** @param {Shown} shown @returns {Frame} as large as fits */
  framed({ map, queries, keys }) {
    const room = { width: this.root.clientWidth, height: this.root.clientHeight };
    if (FOLDED.matches) room.height = 2 * room.width; // one column: the map is as high as its width asks for
    /** @param {Axis} axis @param {Stretch} range @param {number} count */
    const longest = (axis, range, count) =>
      Math.max(2, ...ticks(range, count, 4000).map((index) => wideAs(label(axis, index)))) * CHARACTER;
    const whole = wholeView(map.rows, map.cols);
    const left = longest(queries, whole.y, map.rows);
    const top = longest(keys, whole.x, map.cols);
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
      box = plotBox(room, { ...sizes, top: top * rise + 40, right: Math.max(8, right) }, map.rows, map.cols);
    }
    if (FOLDED.matches) room.height = box.top + box.height + sizes.bottom;
    const labelHeight = angle === 0 ? 24 : top * (angle === -45 ? 0.72 : 1) + 14;
    return { room, box, labelWidth: left + 12, labelHeight, angle };
  }

  /** The cells, as Plotly draws them: more than are in view, so that panning uncovers them. @param {Shown} shown */
  traceOf({ map, scale, palette, theme }, /** @type {Frame} */ { box }) {
    const { view } = this;
    const around = beyond(view);
    const seen = { rows: cellsIn(view.y, map.rows), cols: cellsIn(view.x, map.cols) };
    const n = blockSize(seen.rows, seen.cols);
    const { z, row, col } = pooled(map, cellsIn(around.y, map.rows), cellsIn(around.x, map.cols), n);
    const wide = box.width / (view.x[1] - view.x[0]);
    const high = box.height / (view.y[1] - view.y[0]);
    const count = (seen.rows[1] - seen.rows[0]) * (seen.cols[1] - seen.cols[0]);
    const numbers = n === 1 && wide >= ROOM_FOR_NUMBER[0] && high >= ROOM_FOR_NUMBER[1] && count <= MOST_NUMBERS;
    const written = {
      text: z.map((line) => line.map((weight) => (weight === null || weight < 0.005 ? "" : brief(weight)))),
      texttemplate: "%{text}",
      textfont: { family: FONT, size: 11 },
    };
    const trace = {
      type: "heatmap",
      z: z.map((line) => line.map((weight) => (weight === null ? null : position(weight, scale)))),
      x0: col + (n - 1) / 2,
      dx: n,
      y0: row + (n - 1) / 2,
      dy: n,
      zmin: 0,
      zmax: 1, // locked: the same colour means the same weight under every head
      zsmooth: "fast", // an image of one pixel a cell; map.css keeps its edges. The other paths set style attributes
      colorscale: plotlyScale(palette, theme),
      showscale: false,
      hoverinfo: "skip",
      ...(numbers ? written : {}),
    };
    return { n, trace };
  }

  /** Axes with the labels that have room. @param {Shown} shown */
  layoutOf({ map, queries, keys }, /** @type {Frame} */ { room, box, angle }) {
    const { view } = this;
    const around = beyond(view);
    const font = { family: FONT, size: 12, color: cssColour("--text") };
    /** @param {[number, number]} range @param {number[]} values @param {Axis} labelled */
    const axis = (range, values, labelled) => ({
      range,
      tickmode: "array",
      tickvals: values,
      ticktext: values.map((index) => plotLabel(labelled, index)),
      tickfont: font,
      showgrid: false,
      zeroline: false,
      ticks: "",
      showline: false,
      automargin: false,
      fixedrange: false,
    });
    const across = ticks(around.x, map.cols, box.width * reach(around.x, view.x), angle ? 15 : 30);
    const down = ticks(around.y, map.rows, box.height * reach(around.y, view.y));
    const right = room.width - box.left - box.width;
    return {
      width: room.width,
      height: room.height,
      margin: { l: box.left, t: box.top, r: right, b: room.height - box.top - box.height, pad: 4 },
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)", // masked cells are holes; the hatched sheet below shows through
      hovermode: false,
      dragmode: "pan",
      xaxis: {
        ...axis([...view.x], across, keys),
        side: "top",
        tickangle: angle,
        minallowed: -0.5,
        maxallowed: map.cols - 0.5,
      },
      yaxis: {
        ...axis([view.y[1], view.y[0]], down, queries),
        minallowed: -0.5,
        maxallowed: map.rows - 0.5,
      },
    };
  }

  async draw() {
    const turn = (this.turn += 1);
    const Plotly = await plotly();
    const { shown } = this;
    if (turn !== this.turn || !shown || !this.root.clientWidth) return;
    this.plot.hidden = false;
    const frame = (this.frame = this.framed(shown));
    this.root.style.height = FOLDED.matches ? `${frame.room.height}px` : "";
    const { n, trace } = this.traceOf(shown, frame);
    await Plotly.react(this.plot, [trace], this.layoutOf(shown, frame), CONFIG);
    if (!this.ready) {
      this.ready = true;
      onGesture(this.plot, (change, done) => this.shown && this.dragged(change, done));
    }
    if (!this.shown) return;
    this.on.view(this.whole(), n);
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
    this.setView(insideMap(viewAfter(change, this.view), this.map.rows, this.map.cols), done);
  }

  /** @param {View} view @param {boolean} done the gesture is over */
  setView(view, done) {
    this.view = view;
    if (!done) return this.overlay();
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

  /** @param {PointerEvent} event */
  pointed(event) {
    if (this.frame && !event.buttons) this.on.hover(this.under(event));
  }

  /** The cell under the pointer. @param {PointerEvent} event */
  under(event) {
    const { left, top } = this.root.getBoundingClientRect();
    const { map, frame } = this;
    return frame && cellAt(frame.box, this.view, event.clientX - left, event.clientY - top, map.rows, map.cols);
  }

  /** A press and release at one place chooses the cell; two in a row show the whole map. @param {PointerEvent} event */
  released(event) {
    const down = this.down;
    this.down = null;
    if (!down || !this.frame || Math.hypot(event.clientX - down[0], event.clientY - down[1]) > 4) return;
    const cell = this.under(event);
    if (!cell) return;
    const twice = event.timeStamp - this.clicked < DOUBLE_CLICK;
    this.clicked = twice ? -Infinity : event.timeStamp;
    if (twice) this.reset();
    else this.on.choose(cell);
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
