/** Maps with more cells a side than a plain heatmap draws: the atlas, what is around it, and cells known bit by bit. */

import { exact, largest } from "../cells.js";
import { choice, setChoice } from "../../views/controls.js";
import { byId } from "../../views/dom.js";
import { t } from "../../text/i18n.js";
import { waiting } from "../../views/notices.js";
import { isCausal, isMasked } from "../../source/session.js";
import { Atlas } from "./atlas.js";
import { Finder } from "./finder.js";
import { offerWhatFits } from "./saves.js";
import { Passages } from "../../text/passages.js";
import { Rest } from "./rest.js";
import { SiteSource } from "../../source/site.js";

/** @typedef {import("../../source/session.js").Session} Session */
/** @typedef {import("../../types.js").HeadMap} HeadMap */
/** @typedef {import("../../types.js").State} State */
/** @typedef {import("../../types.js").Cell} Cell */
/** @typedef {import("../../types.js").Head} Head */
/** @typedef {import("../../types.js").Range} Range */
/** @typedef {import("../../types.js").Reduction} Reduction */

/** @type {Reduction[]} */
const REDUCTIONS = ["max", "mean"];

export class LongMap {
  /**
   * @param {object} on
   * @param {(place: import("../../types.js").Place | null) => void} on.hover
   * @param {(cell: Cell) => void} on.choose
   * @param {(place: import("../../types.js").Place) => void} on.ask
   * @param {(patch: Partial<State>) => void} on.record
   * @param {(patch: Partial<State>) => void} on.restyle
   * @param {() => Cell} on.kept
   * @param {import("../../beside/cell-panel.js").CellPanel} panel
   */
  constructor(on, panel) {
    this.on = on;
    this.panel = panel;
    this.active = false;
    /** @type {SiteSource | null} */
    this.current = null;
    /** @type {(() => void) | null} ends the wait for tiles */
    this.settled = null;
    /** @type {(() => void) | null} what waits for that end */
    this.done = null;
    this.choosing = 0;
    this.resting = new Rest((error) => this.failed(error));
    this.clicking = new Rest((error) => this.failed(error)); // of its own: a pointer that moves on undoes no click
    this.atlas = new Atlas({
      hover: on.hover,
      choose: (cell) => this.choose(cell),
      ask: on.ask,
      view: (state) => this.viewed(state),
      moved: (rows, cols) => on.record({ rows, cols }),
      busy: (busy) => this.busy(busy),
      failed: (error) => this.failed(error),
    });
    this.finder = new Finder({
      from: (side) => on.kept()[side === "keys" ? "col" : "row"],
      go: (side, { first }) => this.go(side, first),
    });
    this.passages = new Passages({ choose: (part) => on.choose({ ...on.kept(), ...part }) });
    byId("trail-back").addEventListener("click", () => this.atlas.travel(-1));
    byId("trail-on").addEventListener("click", () => this.atlas.travel(1));
    byId("tiles-retry").addEventListener("click", () => {
      this.failed(null);
      this.atlas.loader.retry();
      this.clicking.retry();
    });
  }

  /** Words, in the language on show. */
  refresh() {
    byId("find").placeholder = t("findPlaceholder");
    choice("how", REDUCTIONS, (how) => t(`how_${how}`), (how) => this.reduce(how));
    setChoice("how", this.atlas.shown?.how ?? "max");
    this.finder.count();
  }

  /** @param {Reduction} how */
  reduce(how) {
    this.on.restyle({ how: how === "mean" ? "mean" : "" });
  }

  toggle() {
    if (this.active) this.reduce(this.shown.how === "max" ? "mean" : "max");
  }

  /**
   * Draws a head, from what is here, and fetches the rest.
   *
   * @param {Session} session
   * @param {State} state
   * @param {Head} which
   * @param {{scale: import("../../types.js").Scale, theme: import("../../types.js").Theme}} look
   */
  show(session, { site, palette, rows, cols, how }, { layer, head }, { scale, theme }) {
    const here = this.current?.session === session && this.current.site.name === site ? this.current : null;
    const source = (this.current = here ?? new SiteSource(session, site));
    this.active = true;
    this.forget(); // what was pointed at was in another picture
    const [queries, keys] = [session.queries(site), session.keys(site)];
    const holes = isMasked(session.site(site));
    setChoice("how", how || "max");
    byId("rail").hidden = false;
    this.finder.use(queries, keys);
    const drawn = { layer, head, how: how || REDUCTIONS[0], palette, rows, cols };
    return this.atlas.show({ source, queries, keys, holes, scale, theme, ...drawn });
  }

  /** What is fetched of the site on show; there is one wherever this is asked for. */
  get source() {
    return /** @type {SiteSource} */ (this.current);
  }

  /** What the atlas draws. */
  get shown() {
    return this.atlas.drawn.shown;
  }

  hide() {
    if (!this.active) return;
    this.active = false;
    this.forget();
    this.atlas.hide();
    this.passages.hide();
    this.failed(null);
    byId("rail").hidden = byId("how").hidden = true;
    byId("heat").setAttribute("role", "img");
    byId("heat").removeAttribute("tabindex");
  }

  forget() {
    this.resting.forget();
    this.clicking.forget();
  }

  /** The texts around a cell of a far map. @param {Session} session @param {string} site @param {boolean} far */
  read(session, site, far) {
    if (far) this.passages.use(session.queries(site), session.keys(site));
    else this.passages.hide();
  }

  /** The picture's name, that it takes keys, and what of it can be exported. @param {string} label */
  label(label) {
    offerWhatFits(this.atlas);
    byId("heat").setAttribute("role", "application");
    byId("heat").setAttribute("aria-label", t("atlasLabel", { label }));
    byId("heat").tabIndex = 0;
  }

  /** The row of a far map, as a map of which nothing else is here. @param {Head} head @param {number} row */
  async band({ layer, head }, row) {
    const { source } = this;
    const [values, seen] = await Promise.all([source.row({ layer, head }, row), source.seen({ layer, head }, row)]);
    return { ...this.bandOf(row, values), unit: source.unitOf({ layer, head }), seen };
  }

  /** @param {number} row @param {Float32Array} weights of the row @returns {HeadMap & {from: number}} */
  bandOf(row, weights) {
    const { site, shape } = this.source;
    return { weights, rows: shape[0], cols: shape[1], causal: isCausal(site), holes: isMasked(site), from: row };
  }

  /**
   * The row to begin with: the chosen one; the last, where only it saw all; a picture's class token, since the answer is
   * read off it; else the middle.
   *
   * @param {Head} which
   * @param {number | null} row the chosen one
   */
  firstBand(which, row) {
    const { site } = this.source;
    const { queries } = this.shown;
    const sees = isCausal(site) || site.mask === "both";
    const asks = queries.kind === "image" && queries.special[0] ? 0 : Math.floor(site.shape[0] / 2);
    return this.band(which, row ?? (sees ? site.shape[0] - 1 : asks));
  }

  /** The row's chosen key, or its strongest, among patches where there are some. @param {State} state @param {HeadMap & {from: number}} band */
  firstCell({ row, col }, { weights, from }) {
    const { boxes } = this.shown.keys;
    const eligible = boxes?.some(Boolean) ? weights.map((weight, key) => (boxes[key] ? weight : 0)) : weights;
    return { row: from, col: row !== null && col !== null ? col : largest(eligible) };
  }

  /** A click on a block means its strongest cell, where its colour is that cell's. @param {Cell} cell */
  async choose(cell) {
    const { source, layer, head, how } = this.shown;
    const side = this.atlas.known(cell)?.code ? 2 ** this.atlas.level : 1;
    const turn = (this.choosing += 1);
    if (side === 1 || how === "mean") return this.on.choose(cell);
    /** @param {number} at @param {number} count @returns {Range} */
    const reach = (at, count) => {
      const start = Math.floor(at / side) * side;
      return [start, Math.min(start + side, count)];
    };
    const [rows, cols] = [reach(cell.row, source.shape[0]), reach(cell.col, source.shape[1])];
    const weights = await source.exactWindow({ layer, head }, rows, cols).catch(() => null);
    if (turn !== this.choosing) return;
    if (!weights) return this.on.choose(cell);
    const best = largest(weights);
    const width = cols[1] - cols[0];
    this.on.choose({ row: rows[0] + Math.floor(best / width), col: cols[0] + (best % width) });
  }

  /** @param {"queries" | "keys"} side @param {number} index */
  go(side, index) {
    const { row, col } = this.on.kept();
    const onItself = this.shown.queries === this.shown.keys;
    const cell = side === "keys" ? { row, col: index } : { row: index, col: onItself ? index : col };
    this.atlas.reveal(cell, true);
    this.on.choose(cell);
  }

  /**
   * Shows a cell of a far map with what is known of it, and asks for the rest once the pointer rests.
   *
   * @param {Cell | null} cell null: the kept one
   * @param {HeadMap} band of the kept cell
   */
  point(cell, band) {
    this.resting.stop();
    const shown = cell ?? this.on.kept();
    this.atlas.point(cell);
    this.passages.show(shown, this.source.rowHere(this.shown, shown.row));
    this.listRow(band);
    if (shown.row === band.from) return this.panel.show(shown);
    const here = this.source.cellHere(this.shown, shown.row, shown.col);
    if (here !== undefined) return this.panel.sketch(shown, { weight: this.written(here, shown), certain: true });
    this.panel.sketch(shown, this.sketch(shown));
    if (!cell || this.atlas.known(cell)?.code === 0) return;
    this.resting.ask(
      (signal) => this.source.cell(this.shown, cell.row, cell.col, signal),
      (weight) => this.panel.sketch(cell, { weight: this.written(weight, cell), certain: true }),
    );
  }

  /** Another row in the panel, where it is another. @param {HeadMap} band */
  listRow(band) {
    if (this.panel.map !== band) this.panel.use(band, this.shown.queries, this.shown.keys);
  }

  /**
   * Shows a row or column in the panel, by its strongest cell.
   *
   * @param {import("../../types.js").Place} place
   * @param {Float32Array} weights
   * @param {Cell} cell
   */
  showLine({ rows }, weights, cell) {
    this.passages.show(cell, weights, rows ? "row" : "column");
    const weight = this.written(weights[rows ? cell.col : cell.row], cell);
    if (!rows) return this.panel.sketch(cell, { weight, certain: true });
    this.listRow(this.bandOf(cell.row, weights));
    this.panel.show(cell);
  }

  /** An exact weight in full; exactly 0 where the model could not look. @param {number} weight @param {Cell} cell */
  written(weight, { row, col }) {
    const { site } = this.source;
    const known = this.atlas.known({ row, col })?.code;
    if (this.source.unitOf(this.shown)) return known === 0 || (isCausal(site) && col > row) ? "—" : exact(weight);
    const masked = (isCausal(site) && col > row) || (isMasked(site) && weight === 0);
    return masked && known !== 1 ? "—" : exact(weight);
  }

  /** What a tile says of a cell. @param {Cell} cell @returns {{weight: string, note?: string, certain: boolean}} */
  sketch(cell) {
    const known = this.atlas.known(cell);
    if (!known) return { weight: "…", certain: false };
    if (known.code === 0) return { weight: "—", certain: true };
    const weight = this.source.session.codes[known.code].toPrecision(2);
    const name = known.level === 0 ? "about" : this.shown.how === "max" ? "atMost" : "meanOf";
    const note = known.level === 0 ? "" : t("knownBy", { n: 2 ** known.level });
    return { weight: t(name, { weight: String(Number(weight)) }), note, certain: false };
  }

  /** @param {{whole: boolean, n: number, trail: import("./trail.js").Trail}} state */
  viewed({ whole, n, trail }) {
    const { how } = this.shown;
    byId("reset").hidden = whole;
    byId("badge").hidden = n === 1;
    byId("how").hidden = n === 1;
    byId("badge").textContent = t(`reduced_${how}`, { n });
    byId("badge").title = t(`reducedTitle_${how}`);
    byId("trail-back").disabled = !trail.can(-1);
    byId("trail-on").disabled = !trail.can(1);
  }

  /** @param {boolean} busy */
  busy(busy) {
    if (busy) this.settled ??= waiting();
    else {
      this.settled?.();
      this.settled = null;
      this.done?.();
    }
  }

  /** @returns {Promise<void>} when nothing is on the way any more */
  idle() {
    return this.settled ? new Promise((resolve) => (this.done = resolve)) : Promise.resolve();
  }

  /** @param {Error | null} error */
  failed(error) {
    byId("tiles-problem").hidden = error === null;
    if (error) byId("tiles-problem-text").textContent = t("tilesFailed", { detail: error.message });
  }
}
