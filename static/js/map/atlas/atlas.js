/** A map of any size: tiles on a canvas under Plotly's axes, redrawn from what is here at every step of a gesture. */

import { floorOf, lookupTable } from "../colour.js";
import { byId, cssColour } from "../../views/dom.js";
import { cellAt, cellsIn, insideMap, viewOf, wholeView, zoomed } from "../geometry.js";
import { CONFIG, plotly } from "../plot.js";
import { WEIGHTS } from "../../api/u8log.js";
import { nameOf, TileCache } from "./cache.js";
import { codeAt, compose, pixelsOf } from "./codes.js";
import { frameOf, layoutOf } from "./frame.js";
import { listen } from "./gestures.js";
import { levelFor, levelsOf, SIDE, wanted } from "./levels.js";
import { Loader } from "./loader.js";
import { placeMarks } from "./marks.js";
import { Minimap } from "./minimap.js";
import { Numbers } from "./numbers.js";
import { Trail } from "./trail.js";
import { anchor, panned, revealed } from "./moves.js";

/** @typedef {import("../geometry.js").View} View */
/** @typedef {import("../../types.js").Axis} Axis */
/** @typedef {import("../../source/site.js").Source} Source */
/** @typedef {{row: number, col: number}} Cell */

const FETCH_AFTER = 100; // milliseconds after a gesture: what was only passed over is not asked for
const SHARPEST = 2; // screen pixels a CSS pixel that are drawn; finer ones nobody tells apart
const FOLDED = window.matchMedia("(max-width: 720px)"); // as in page.css

export class Atlas {
  /**
   * @param {object} on
   * @param {(cell: Cell | null) => void} on.hover
   * @param {(cell: Cell) => void} on.choose
   * @param {(state: {whole: boolean, n: number, trail: Trail}) => void} on.view after a change: blocks of n x n cells
   * @param {(rows: [number, number] | null, cols: [number, number] | null) => void} on.moved another window is in view
   * @param {(busy: boolean) => void} on.busy tiles are under way
   * @param {(error: Error | null) => void} on.failed tiles did not come, for good; null: that is over
   */
  constructor(on) {
    this.on = on;
    this.root = byId("heat");
    this.plot = byId("tile-plot");
    this.canvas = byId("tiles");
    this.shown = null;
    this.box = null;
    this.crosshair = null;
    this.chosen = null;
    this.cache = new TileCache();
    this.minimap = new Minimap((view, done) => {
      this.setView(view, done);
      if (!done) this.axesSoon();
    });
    this.loader = new Loader({
      fetch: (sheet, level, tiles, signal) => this.shown.source.tiles(sheet, level, tiles, signal),
      arrived: () => this.paintSoon(),
      busy: (busy) => this.on.busy(busy),
      failed: (error) => this.on.failed(error),
    });
    this.numbers = new Numbers(() => this.paintSoon());
    this.dragged = listen(this);
    new ResizeObserver(() => this.shown && this.axes()).observe(this.root);
  }

  /**
   * @param {object} what
   * @param {Source} what.source
   * @param {number} what.layer
   * @param {number} what.head
   * @param {"max" | "mean"} what.how
   * @param {Axis} what.queries
   * @param {Axis} what.keys
   * @param {boolean} what.holes whether some cells are masked
   * @param {"linear" | "log"} what.scale
   * @param {string} what.palette
   * @param {"light" | "dark"} what.theme
   * @param {[number, number] | null} what.rows the window in view; null: all
   * @param {[number, number] | null} what.cols
   */
  show(what) {
    const { shape, site } = what.source;
    const before = this.shown;
    const another = before?.source !== what.source;
    this.shown = what;
    this.shape = shape;
    this.levels = site.levels ?? levelsOf(shape);
    if (another) {
      this.cache = new TileCache();
      this.loader.stop();
      this.numbers.clear();
    }
    // Links hold whole cells; between heads of one map the view stays exactly where the reader left it.
    const left = JSON.stringify([what.rows, what.cols]);
    if (another || left !== this.left)
      this.view = insideMap(viewOf(what.rows ?? [0, shape[0]], what.cols ?? [0, shape[1]]), ...shape);
    this.left = left;
    if (another) this.trail = new Trail(this.view);
    else this.trail.push(this.view);
    const { palette, theme, scale } = what;
    this.table = lookupTable(WEIGHTS, palette, theme, scale, floorOf(shape[1]));
    this.colours = pixelsOf(this.table);
    this.unknown = pixelOf(cssColour("--sunken"));
    const sheet = JSON.stringify(this.sheet);
    if (another || sheet !== this.told) this.on.failed(null); // what failed was another picture's
    this.told = sheet;
    this.fetch();
    return this.axes();
  }

  /** Another kind of map takes the room. */
  hide() {
    this.loader.stop();
    this.shown = this.box = null;
    for (const node of [this.canvas, this.plot, this.minimap.canvas]) node.hidden = true;
  }

  get sheet() {
    const { source, layer, head, how } = this.shown;
    return { site: source.site.name, layer, head, how };
  }

  /** A tile or the nearest over it that is here. */
  find(spot) {
    return this.cache.find(this.sheet, spot, this.levels);
  }

  frame() {
    const { queries, keys } = this.shown;
    const width = this.root.clientWidth;
    const height = FOLDED.matches ? Infinity : this.root.clientHeight;
    const frame = frameOf({ width, height }, this.shape, queries, keys);
    Object.assign(this, { box: frame.box, labelWidth: frame.labelWidth, labelHeight: frame.labelHeight });
    this.root.style.height = FOLDED.matches ? `${frame.room.height}px` : "";
    return frame;
  }

  /** Axes, and everything under them. */
  async axes() {
    const turn = (this.turn = (this.turn ?? 0) + 1);
    const Plotly = await plotly;
    if (turn !== this.turn || !this.shown || !this.root.clientWidth) return;
    const { queries, keys } = this.shown;
    for (const node of [this.canvas, this.plot]) node.hidden = false;
    const layout = layoutOf(this.frame(), this.view, this.shape, queries, keys);
    this.paint();
    // The trace draws nothing: it is there so that the axes are.
    const trace = { type: "scatter", x: [0], y: [0], mode: "markers", opacity: 0, hoverinfo: "none" };
    await Plotly.react(this.plot, [trace], layout, { ...CONFIG, scrollZoom: false });
    if (this.ready) return;
    this.ready = true;
    this.plot.on("plotly_relayouting", (event) => this.shown && this.dragged(event, false));
    this.plot.on("plotly_relayout", (event) => this.shown && this.dragged(event, true));
  }

  /** At most once a frame. */
  axesSoon() {
    this.following ??= requestAnimationFrame(() => {
      this.following = null;
      this.axes();
    });
  }

  paintSoon() {
    this.painting ??= requestAnimationFrame(() => {
      this.painting = null;
      this.paint();
    });
  }

  get level() {
    const ratio = this.ratio();
    return levelFor(this.view, this.box.width * ratio, this.box.height * ratio, this.levels);
  }

  ratio() {
    return Math.min(window.devicePixelRatio || 1, SHARPEST);
  }

  /** The view's pixels, from what is here. @returns {{image: ImageData, complete: boolean}} */
  picture(ratio = this.ratio()) {
    const [width, height] = [this.box.width, this.box.height].map((side) => Math.round(side * ratio));
    if (this.image?.width !== width || this.image?.height !== height) this.image = new ImageData(width, height);
    const { view, level, shape, colours, unknown, image } = this;
    const pixels = new Uint32Array(image.data.buffer);
    const find = (spot) => this.find(spot);
    return { image, complete: compose({ pixels, width, height, view, level, shape, find, colours, unknown }) };
  }

  paint() {
    if (!this.shown || !this.box) return;
    const { canvas, box, view, level } = this;
    const { image, complete } = this.picture();
    for (const side of ["width", "height"]) if (canvas[side] !== image[side]) canvas[side] = image[side];
    for (const side of ["left", "top", "width", "height"]) canvas.style[side] = `${box[side]}px`;
    const context = canvas.getContext("2d");
    context.putImageData(image, 0, 0);
    this.numbers.draw(this, context);
    Object.assign(canvas.dataset, { level, state: complete ? "complete" : "coarse" });
    this.overlay();
    const top = nameOf(this.sheet, { level: this.levels - 1, row: 0, col: 0 });
    const { shape, colours } = this;
    this.minimap.show({ view, shape, tile: this.cache.get(top), colours, hidden: this.whole() });
    this.on.view({ whole: this.whole(), n: 2 ** level, trail: this.trail });
  }

  overlay() {
    if (!this.box || !this.shown) return;
    const { box, view, shape, crosshair, chosen, labelWidth, labelHeight } = this;
    placeMarks({ box, view, shape, crosshair, chosen, labelWidth, labelHeight, holes: this.shown.holes });
  }

  /** Asks for what the view lacks. */
  fetch() {
    clearTimeout(this.fetching);
    if (!this.box) this.frame();
    this.loader.want(this.cache, this.sheet, wanted(this.view, this.level, this.shape, this.levels));
    this.numbers.want(this);
  }

  /** @param {View} view @param {boolean} done the gesture is over */
  setView(view, done) {
    const middle = ([low, high]) => (low + high) / 2;
    // A drag may pull the map past its edge, as far as Plotly's axes follow it; let go, it lies inside again.
    this.view = done ? zoomed(view, 1, [middle(view.x), middle(view.y)], ...this.shape) : view;
    if (!done) return this.paintSoon();
    const { shape } = this;
    this.trail.push(this.view);
    const window_ = this.whole() ? [null, null] : [cellsIn(this.view.y, shape[0]), cellsIn(this.view.x, shape[1])];
    this.left = JSON.stringify(window_);
    this.on.moved(.../** @type {[any, any]} */ (window_));
    this.axes();
    clearTimeout(this.fetching);
    this.fetching = window.setTimeout(() => this.shown && this.fetch(), FETCH_AFTER);
  }

  whole() {
    const { x, y } = this.view;
    return x[1] - x[0] > this.shape[1] - 0.01 && y[1] - y[0] > this.shape[0] - 0.01;
  }

  reset() {
    if (this.shown) this.setView(wholeView(...this.shape), true);
  }

  /** @param {number} factor under 1 zooms in, about the chosen cell where it is in view */
  zoom(factor) {
    if (this.shown) this.setView(zoomed(this.view, factor, anchor(this.view, this.chosen), ...this.shape), true);
  }

  /** @param {number} right of the view's width @param {number} down of its height */
  pan(right, down) {
    this.setView(panned(this.view, right, down, this.shape), true);
  }

  /** Back and forward through the views. @param {-1 | 1} by */
  travel(by) {
    const view = this.shown && this.trail.go(by);
    if (view) this.setView(view, true);
  }

  /**
   * Brings a cell into the middle where it is out of view.
   *
   * @param {Cell} cell
   * @param {boolean} closer from far away, near enough to read tokens
   */
  reveal(cell, closer = false) {
    if (!this.shown || !this.box) return;
    const view = revealed(this.view, cell, closer, this.shape, Math.min(this.box.width, this.box.height));
    if (view) this.setView(view, true);
  }

  pointUnder(event) {
    const { left, top } = this.root.getBoundingClientRect();
    const across = (event.clientX - left - this.box.left) / this.box.width;
    const down = (event.clientY - top - this.box.top) / this.box.height;
    const { x, y } = this.view;
    if (across < 0 || down < 0 || across >= 1 || down >= 1) return null;
    return /** @type {[number, number]} */ ([x[0] + across * (x[1] - x[0]), y[0] + down * (y[1] - y[0])]);
  }

  /** @returns {Cell | null} */
  under(event) {
    const { left, top } = this.root.getBoundingClientRect();
    return cellAt(this.box, this.view, event.clientX - left, event.clientY - top, ...this.shape);
  }

  /** What the page knows of a cell without asking. @returns {{code: number, level: number} | null} */
  known({ row, col }) {
    const found = this.find({ level: 0, row: Math.floor(row / SIDE), col: Math.floor(col / SIDE) });
    return found && { code: codeAt(found, row, col), level: found.level };
  }

  /** @param {{row?: number, col?: number} | null} place */
  point(place) {
    this.crosshair = place;
    this.overlay();
  }

  /** @param {Cell | null} cell */
  keep(cell) {
    this.chosen = cell;
    this.overlay();
  }
}

/** A colour of the style sheet as a pixel of an ImageData. @param {string} colour #rrggbb */
export function pixelOf(colour) {
  const [r, g, b] = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
  return ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;
}
