/** The chosen head's map: Plotly draws cells and axes; crosshair and hit test are here, so that they answer at once. */

import { brief } from "../cells.js";
import { plotlyScale, position } from "../colour.js";
import { placeOverlays } from "./crosshair.js";
import { byId, cssColour } from "../../views/dom.js";
import { beyond, cellAt, cellsIn, insideMap, plotBox, ticks, viewOf, wholeView, zoomed } from "../geometry.js";
import { escaped, label, wideAs } from "../../text/labels.js";
import { CONFIG, FONT, plotly } from "../plot.js";
import { blockSize, pooled } from "./pool.js";

/** @typedef {import("../../types.js").HeadMap} HeadMap */
/** @typedef {import("../../types.js").Axis} Axis */

const MOST_NUMBERS = 500; // cells in view with their weight written in them; more are unreadable and slow
const ROOM_FOR_NUMBER = [30, 18];
const CHARACTER = 7.3; // pixels of the labels' monospaced face at 12 px
const FOLDED = window.matchMedia("(max-width: 720px)"); // as in page.css
const DOUBLE_CLICK = 350; // milliseconds

const reach = (wide, narrow) => (wide[1] - wide[0]) / (narrow[1] - narrow[0]);

export class Heatmap {
  /**
   * @param {object} on
   * @param {(cell: {row: number, col: number} | null) => void} on.hover
   * @param {(cell: {row: number, col: number}) => void} on.choose
   * @param {(whole: boolean, n: number) => void} on.view after drawing: blocks of n x n cells
   * @param {(rows: [number, number] | null, cols: [number, number] | null) => void} on.moved another window is in view
   */
  constructor(on) {
    this.on = on;
    this.root = byId("heat");
    this.plot = byId("plot");
    this.shown = null;
    this.ready = false;
    this.root.addEventListener("pointermove", (event) => this.pointed(event));
    this.root.addEventListener("pointerleave", () => this.box && this.on.hover(null));
    this.root.addEventListener("pointerdown", (event) => (this.down = [event.clientX, event.clientY]), true);
    window.addEventListener("pointerup", (event) => this.released(event), true);
    new ResizeObserver(() => this.shown && this.draw()).observe(this.root);
  }

  /**
   * @param {object} what
   * @param {HeadMap} what.map
   * @param {Axis} what.queries
   * @param {Axis} what.keys
   * @param {"linear" | "log"} what.scale
   * @param {string} what.palette
   * @param {"light" | "dark"} what.theme
   * @param {[number, number] | null} what.rows the window in view; null: all
   * @param {[number, number] | null} what.cols
   */
  show(what) {
    const { map } = what;
    const same = this.shown?.map.rows === map.rows && this.shown?.map.cols === map.cols;
    this.shown = what;
    // Links hold whole cells; between heads of one shape the view stays exactly where the reader left it.
    const left = JSON.stringify([what.rows, what.cols]);
    if (!same || left !== this.left)
      this.view = insideMap(viewOf(what.rows ?? [0, map.rows], what.cols ?? [0, map.cols]), map.rows, map.cols);
    this.left = left;
    return this.draw();
  }

  /** Another kind of map takes the room. */
  hide() {
    this.plot.hidden = true;
    this.shown = this.box = null;
  }

  layout() {
    const { map, queries, keys } = this.shown;
    const folded = FOLDED.matches; // one column: the map is as high as its width asks for
    const room = { width: this.root.clientWidth, height: folded ? 2 * this.root.clientWidth : this.root.clientHeight };
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
      const over = (index) => wideAs(label(keys, index)) * CHARACTER * rise + 8 - (map.cols - index - 0.5) * across;
      const right = angle === -90 ? 0 : Math.max(...ticks(whole.x, map.cols, 4000).map(over));
      box = plotBox(room, { ...sizes, top: top * rise + 40, right: Math.max(8, right) }, map.rows, map.cols);
    }
    if (folded) {
      room.height = box.top + box.height + sizes.bottom;
      this.root.style.height = `${room.height}px`;
    } else {
      this.root.style.height = "";
    }
    this.box = box;
    this.labelWidth = left + 12;
    this.labelHeight = angle === 0 ? 24 : top * (angle === -45 ? 0.72 : 1) + 14;
    this.angle = angle;
    return room;
  }

  async draw() {
    const turn = (this.turn = (this.turn ?? 0) + 1);
    const Plotly = await plotly;
    if (turn !== this.turn || !this.shown || !this.root.clientWidth) return;
    this.plot.hidden = false;
    const { map, queries, keys, scale, palette, theme } = this.shown;
    const room = this.layout();
    const { box, view } = this;
    const seen = { rows: cellsIn(view.y, map.rows), cols: cellsIn(view.x, map.cols) };
    // More than is seen, so that panning uncovers cells and labels, not blanks.
    const around = beyond(view);
    const n = blockSize(seen.rows, seen.cols);
    const { z, row, col } = pooled(map, cellsIn(around.y, map.rows), cellsIn(around.x, map.cols), n);
    const wide = box.width / (view.x[1] - view.x[0]);
    const high = box.height / (view.y[1] - view.y[0]);
    const count = (seen.rows[1] - seen.rows[0]) * (seen.cols[1] - seen.cols[0]);
    const numbers = n === 1 && wide >= ROOM_FOR_NUMBER[0] && high >= ROOM_FOR_NUMBER[1] && count <= MOST_NUMBERS;
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
    };
    if (numbers) {
      trace.text = z.map((line) => line.map((weight) => (weight === null || weight < 0.005 ? "" : brief(weight))));
      trace.texttemplate = "%{text}";
      trace.textfont = { family: FONT, size: 11 };
    }
    const font = { family: FONT, size: 12, color: cssColour("--text") };
    const axis = (range, values, labels) => ({
      range,
      tickmode: "array",
      tickvals: values,
      ticktext: values.map((index) => escaped(label(labels, index))),
      tickfont: font,
      showgrid: false,
      zeroline: false,
      ticks: "",
      showline: false,
      automargin: false,
      fixedrange: false,
    });
    const layout = {
      width: room.width,
      height: room.height,
      margin: {
        l: box.left,
        t: box.top,
        r: room.width - box.left - box.width,
        b: room.height - box.top - box.height,
        pad: 4,
      },
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)", // masked cells are holes; the hatched sheet below shows through
      hovermode: false,
      dragmode: "pan",
      xaxis: {
        ...axis(
          [...view.x],
          ticks(around.x, map.cols, box.width * reach(around.x, view.x), this.angle ? 15 : 30),
          keys,
        ),
        side: "top",
        tickangle: this.angle,
        minallowed: -0.5,
        maxallowed: map.cols - 0.5,
      },
      yaxis: {
        ...axis([view.y[1], view.y[0]], ticks(around.y, map.rows, box.height * reach(around.y, view.y)), queries),
        minallowed: -0.5,
        maxallowed: map.rows - 0.5,
      },
    };
    await Plotly.react(this.plot, [trace], layout, CONFIG);
    if (!this.ready) {
      this.ready = true;
      this.plot.on("plotly_relayouting", (event) => this.shown && this.dragged(event, false));
      this.plot.on("plotly_relayout", (event) => this.shown && this.dragged(event, true));
    }
    this.n = n;
    this.on.view(this.whole(), n);
    this.overlay();
  }

  whole() {
    const { map } = this.shown;
    const { x, y } = this.view;
    return x[1] - x[0] > map.cols - 0.01 && y[1] - y[0] > map.rows - 0.01;
  }

  /** Pan and zoom by Plotly's own gestures. */
  dragged(event, done) {
    const range = (axis) => event[`${axis}.range`] ?? [event[`${axis}.range[0]`], event[`${axis}.range[1]`]];
    const [x, y] = [range("xaxis"), range("yaxis")];
    const { map } = this.shown;
    const view = {
      x: x[0] === undefined ? this.view.x : [Math.min(...x), Math.max(...x)],
      y: y[0] === undefined ? this.view.y : [Math.min(...y), Math.max(...y)],
    };
    this.setView(insideMap(view, map.rows, map.cols), done);
  }

  setView(view, done) {
    this.view = view;
    if (!done) return this.overlay();
    const { map } = this.shown;
    const window = this.whole() ? [null, null] : [cellsIn(view.y, map.rows), cellsIn(view.x, map.cols)];
    this.left = JSON.stringify(window);
    this.on.moved(...window);
    this.draw();
  }

  /** @param {number} factor under 1 zooms in, about the chosen cell where it is in view */
  zoom(factor) {
    if (!this.shown) return;
    const { map } = this.shown;
    const { x, y } = this.view;
    const { row, col } = this.chosen ?? {};
    const inside = row > y[0] && row < y[1] && col > x[0] && col < x[1];
    const about = inside ? [col, row] : [(x[0] + x[1]) / 2, (y[0] + y[1]) / 2];
    this.setView(zoomed(this.view, factor, /** @type {any} */ (about), map.rows, map.cols), true);
  }

  reset() {
    if (this.shown) this.setView(wholeView(this.shown.map.rows, this.shown.map.cols), true);
  }

  pointed(event) {
    if (!this.box || event.buttons) return;
    this.on.hover(this.under(event));
  }

  under(event) {
    const { left, top } = this.root.getBoundingClientRect();
    const { map } = this.shown;
    return cellAt(this.box, this.view, event.clientX - left, event.clientY - top, map.rows, map.cols);
  }

  /** A press and release at one place chooses the cell; two in a row show the whole map. */
  released(event) {
    const down = this.down;
    this.down = null;
    if (!down || !this.box || Math.hypot(event.clientX - down[0], event.clientY - down[1]) > 4) return;
    const cell = this.under(event);
    if (!cell) return;
    const twice = event.timeStamp - (this.clicked ?? -Infinity) < DOUBLE_CLICK;
    this.clicked = twice ? -Infinity : event.timeStamp;
    if (twice) this.reset();
    else this.on.choose(cell);
  }

  /** @param {{row?: number, col?: number} | null} place where the crosshair stands; a row or a column alone will do */
  point(place) {
    this.crosshair = place;
    this.overlay();
  }

  /** @param {{row: number, col: number}} cell */
  keep(cell) {
    this.chosen = cell;
    this.overlay();
  }

  overlay() {
    if (this.box && this.shown) placeOverlays(this);
  }
}
