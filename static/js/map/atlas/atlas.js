/** A map of any size: tiles on a canvas under Plotly's axes, redrawn from what is here at every step of a gesture. */

import { byId, contextOf, cssColour, onceAFrame, placeOver } from "../../views/dom.js";
import { floorOf, lookupTable } from "../colour.js";
import { anchor, cellsIn, insideMap, viewOf, wholeView, zoomed } from "../geometry.js";
import { Axes } from "../axes.js";
import { FOLDED, viewAfter } from "../plot.js";
import { nameOf, TileCache } from "./cache.js";
import { codeAt, compose, pixelOf, pixelsOf } from "./codes.js";
import { frameOf, layoutOf } from "./frame.js";
import { listen } from "./gestures.js";
import { levelFor, levelsOf, SIDE, wanted } from "./levels.js";
import { Loader } from "./loader.js";
import { placeMarks } from "./marks.js";
import { placeCuts } from "../cuts.js";
import { placeMade } from "../made.js";
import { placePins } from "../pins.js";
import { Minimap } from "./minimap.js";
import { panned, revealed } from "./moves.js";
import { Numbers } from "./numbers.js";
import { Trail } from "./trail.js";

/** @typedef {import("./shown.js").Drawn} Drawn */
/** @typedef {import("./shown.js").Shown} Shown */
/** @typedef {import("../geometry.js").Box} Box */
/** @typedef {import("../geometry.js").View} View */
/** @typedef {import("../../types.js").Cell} Cell */
/** @typedef {import("../../types.js").Place} Place */
/** @typedef {import("../../types.js").Range} Range */
/** @typedef {import("../../types.js").Shape} Shape */
/** @typedef {import("./levels.js").Spot} Spot */
const FETCH_AFTER = 100; // milliseconds after a gesture: what was only passed over is not asked for
const SHARPEST = 2; // screen pixels a CSS pixel that are drawn; finer ones nobody tells apart

export class Atlas {
  /**
   * @param {object} on
   * @param {(place: Place | null) => void} on.hover a cell has both, a label a row or a column
   * @param {(cell: Cell) => void} on.choose
   * @param {(place: Place) => void} on.ask a label was clicked
   * @param {(state: {whole: boolean, n: number, trail: Trail}) => void} on.view after a change: blocks of n x n cells
   * @param {(rows: Range | null, cols: Range | null) => void} on.moved other cells are in view
   * @param {(busy: boolean) => void} on.busy tiles are under way
   * @param {(error: Error | null) => void} on.failed tiles did not come, for good; null: that is over
   */
  constructor(on) {
    this.on = on;
    this.root = byId("heat");
    this.around = new Axes(byId("tile-plot"), (change, done) => this.shown && this.setView(viewAfter(change, this.view), done));
    this.canvas = byId("tiles");
    /** @type {Shown | null} */
    this.shown = null;
    /** @type {Shape} */
    this.shape = [1, 1];
    this.levels = 1;
    /** @type {View} */
    this.view = wholeView(1, 1);
    this.trail = new Trail(this.view);
    this.inView = ""; // the cells that the state says are in view
    this.sheetShown = "";
    /** @type {import("../../source/trace_source.js").Sheet | null} of the last whole picture, which stays until the next */
    this.before = null;
    /** @type {Box | null} */
    this.box = null;
    this.labelWidth = this.labelHeight = 0;
    /** @type {{row?: number, col?: number} | null} */
    this.crosshair = null;
    /** @type {Cell | null} */
    this.chosen = null;
    this.table = new Uint8ClampedArray(4 * 256);
    this.colours = pixelsOf(this.table);
    this.unknown = 0;
    /** @type {ImageData | null} */
    this.image = null;
    this.fetching = 0;
    this.axesSoon = onceAFrame(() => this.axes());
    this.paintSoon = onceAFrame(() => this.paint());
    this.cache = new TileCache();
    this.minimap = new Minimap((view, done) => {
      this.setView(view, done);
      if (!done) this.axesSoon();
    });
    this.loader = new Loader({
      fetch: (sheet, level, tiles, signal) => this.drawn.shown.source.tiles(sheet, level, tiles, signal),
      arrived: () => this.paintSoon(),
      busy: (busy) => this.on.busy(busy),
      failed: (error) => this.on.failed(error),
    });
    this.numbers = new Numbers(() => this.paintSoon());
    listen(this);
    new ResizeObserver(() => this.axes()).observe(this.root);
  }

  /** What is drawn; something is wherever this is asked for. @returns {Drawn} */
  get drawn() {
    const { shown, box, view, shape } = this;
    return { shown: /** @type {Shown} */ (shown), box: /** @type {Box} */ (box), view, shape };
  }

  /** @param {Shown} what */
  show(what) {
    const { shape, site } = what.source;
    const another = this.shown?.source !== what.source;
    this.shown = what;
    this.shape = shape;
    this.levels = site.levels ?? levelsOf(shape);
    if (another) {
      this.cache = new TileCache();
      this.loader.stop();
      this.numbers.clear();
      this.before = null;
    }
    // Links hold whole cells; between heads of one map the view stays exactly where the reader left it.
    const inView = JSON.stringify([what.rows, what.cols]);
    if (another || inView !== this.inView)
      this.view = insideMap(viewOf(what.rows ?? [0, shape[0]], what.cols ?? [0, shape[1]]), ...shape);
    this.inView = inView;
    if (another) this.trail = new Trail(this.view);
    else this.trail.push(this.view);
    const { palette, theme, scale, source } = what;
    const unit = source.unitOf(what);
    this.table = lookupTable(source.session.codes, palette, theme, scale, unit ? undefined : floorOf(shape[1]), unit);
    this.colours = pixelsOf(this.table);
    this.unknown = pixelOf(cssColour("--sunken"));
    const sheet = JSON.stringify(this.sheet);
    if (another || sheet !== this.sheetShown) this.on.failed(null); // what failed was another picture's
    this.sheetShown = sheet;
    this.fetch();
    return this.axes();
  }

  /** Another kind of map takes the room. */
  hide() {
    this.loader.stop();
    this.shown = this.box = null;
    this.around.hide();
    for (const node of [this.canvas, this.minimap.canvas]) node.hidden = true;
  }

  get sheet() {
    const { source, layer, head, how } = this.drawn.shown;
    return { site: source.site.name, layer, head, how };
  }

  /** A tile or the nearest over it that is here. @param {Spot} spot */
  find(spot) {
    return this.cache.find(this.sheet, spot, this.levels);
  }

  frame() {
    const { queries, keys } = this.drawn.shown;
    const width = this.root.clientWidth;
    const height = FOLDED.matches ? Infinity : this.root.clientHeight;
    const frame = frameOf({ width, height }, this.shape, queries, keys);
    this.box = frame.box;
    this.labelWidth = frame.labelWidth;
    this.labelHeight = frame.labelHeight;
    this.root.style.height = FOLDED.matches ? `${frame.room.height}px` : "";
    return frame;
  }

  /** Axes, and everything under them. */
  axes() {
    if (!this.shown || !this.root.clientWidth) return;
    const { queries, keys } = this.shown;
    this.canvas.hidden = false;
    const before = this.box && this.level;
    const layout = layoutOf(this.frame(), this.view, this.shape, queries, keys);
    this.paint();
    if (this.level !== before) this.fetch(); // in another room another level may be the one that suits
    this.around.show(layout);
  }

  get level() {
    const { box, view } = this.drawn;
    const ratio = this.ratio();
    return levelFor(view, box.width * ratio, box.height * ratio, this.levels);
  }

  ratio() {
    return Math.min(window.devicePixelRatio || 1, SHARPEST);
  }

  /** The view's pixels, from what is here. @returns {{image: ImageData, complete: boolean}} */
  picture(ratio = this.ratio()) {
    const { box } = this.drawn;
    const [width, height] = [box.width, box.height].map((side) => Math.round(side * ratio));
    const fits = this.image?.width === width && this.image.height === height;
    const image = this.image && fits ? this.image : new ImageData(width, height);
    this.image = image;
    const { view, level, shape, colours, unknown } = this;
    const pixels = new Uint32Array(image.data.buffer);
    let old = false;
    /** What is not here yet is shown as it was. @param {Spot} spot */
    const find = (spot) => {
      const now = this.find(spot);
      const before = now || !this.before ? null : this.cache.find(this.before, spot, this.levels);
      old ||= before !== null;
      return now ?? before;
    };
    const all = compose({ pixels, width, height, view, level, shape, find, colours, unknown });
    if (all && !old) this.before = this.sheet;
    return { image, complete: all && !old };
  }

  /** Draws the numbers of the cells over their pixels. @param {CanvasRenderingContext2D} context */
  write(context) {
    this.numbers.draw(this.drawn, this.table, (cell) => this.known(cell), context);
  }

  paint() {
    if (!this.shown || !this.box) return;
    const { canvas, box, view, level } = this;
    const { image, complete } = this.picture();
    if (canvas.width !== image.width) canvas.width = image.width;
    if (canvas.height !== image.height) canvas.height = image.height;
    placeOver(canvas, box);
    const context = contextOf(canvas);
    context.putImageData(image, 0, 0);
    this.write(context);
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
    placeMade({ box, view }, this.shown.queries, this.shown.keys);
    placeCuts({ box, view });
    placePins({ box, view });
  }

  /** Asks for what the view lacks. */
  fetch() {
    clearTimeout(this.fetching);
    if (!this.box) this.frame();
    this.loader.want(this.cache, this.sheet, wanted(this.view, this.level, this.shape, this.levels));
    this.numbers.want(this.drawn);
  }

  /** @param {View} view @param {boolean} done the gesture is over */
  setView(view, done) {
    // A drag may pull the map past its edge, as far as Plotly's axes follow it; let go, it lies inside again.
    this.view = done ? zoomed(view, 1, anchor(view, null), ...this.shape) : view;
    if (!done) return this.paintSoon();
    const { shape } = this;
    this.trail.push(this.view);
    const [rows, cols] = this.whole() ? [null, null] : [cellsIn(this.view.y, shape[0]), cellsIn(this.view.x, shape[1])];
    this.inView = JSON.stringify([rows, cols]);
    this.on.moved(rows, cols);
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

  /** What the page knows of a cell without asking. @param {Cell} cell @returns {{code: number, level: number} | null} */
  known({ row, col }) {
    const nearest = this.find({ level: 0, row: Math.floor(row / SIDE), col: Math.floor(col / SIDE) });
    return nearest && { code: codeAt(nearest, row, col), level: nearest.level };
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
