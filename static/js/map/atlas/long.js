/** Maps with more cells a side than a plain heatmap draws: the atlas, what is around it, and cells known bit by bit. */

import { exact, largest } from "../cells.js";
import { choice, setChoice } from "../../views/controls.js";
import { byId } from "../../views/dom.js";
import { t } from "../../text/i18n.js";
import { waiting } from "../../views/notices.js";
import { isCausal, isMasked } from "../../source/session.js";
import { WEIGHTS } from "../../api/u8log.js";
import { Atlas } from "./atlas.js";
import { Finder } from "./finder.js";
import { Passages } from "../../text/passages.js";
import { Rest } from "./rest.js";
import { viewMenu } from "./saves.js";
import { Source } from "../../source/site.js";

/** @typedef {import("../../source/session.js").Session} Session */
/** @typedef {import("../../types.js").HeadMap} HeadMap */
/** @typedef {import("../../types.js").State} State */
/** @typedef {{row: number, col: number}} Cell */

const BYTES = { json: 16, csv: 16, npy: 4, png: 1, html: 16 }; // a cell at most, as the service counts them
const ANSWER = 32 << 20; // bytes of one answer, the service's limit

export class Long {
  /**
   * @param {object} on
   * @param {(cell: Cell | null) => void} on.hover
   * @param {(cell: Cell) => void} on.choose
   * @param {(patch: Partial<State>) => void} on.record
   * @param {(patch: Partial<State>) => void} on.restyle
   * @param {() => Cell} on.kept
   * @param {import("../../beside/cell-panel.js").Tell} tell
   */
  constructor(on, tell) {
    this.on = on;
    this.tell = tell;
    this.active = false;
    this.resting = new Rest((error) => this.failed(error));
    this.clicking = new Rest((error) => this.failed(error)); // of its own: a pointer that moves on undoes no click
    this.atlas = new Atlas({
      hover: on.hover,
      choose: (cell) => this.choose(cell),
      view: (state) => this.viewed(state),
      moved: (rows, cols) => on.record({ rows, cols }),
      busy: (busy) => this.busy(busy),
      failed: (error) => this.failed(error),
    });
    this.finder = new Finder({
      from: (side) => on.kept()?.[side === "keys" ? "col" : "row"] ?? 0,
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
  dress() {
    byId("find").placeholder = t("findPlaceholder");
    choice("how", ["max", "mean"], (how) => t(`how_${how}`), (how) => this.reduce(how));
    setChoice("how", this.atlas.shown?.how ?? "max");
    this.finder.tell();
  }

  /** @param {"max" | "mean"} how */
  reduce(how) {
    this.on.restyle({ how: how === "mean" ? "mean" : "" });
  }

  toggle() {
    if (this.active) this.reduce(this.atlas.shown.how === "max" ? "mean" : "max");
  }

  /**
   * Draws a head, from what is here, and fetches the rest.
   *
   * @param {Session} session
   * @param {State} state
   * @param {{scale: "linear" | "log", theme: "light" | "dark"}} look
   */
  show(session, { site, layer, head, palette, rows, cols, how }, { scale, theme }) {
    if (this.source?.session !== session || this.source.site.name !== site) this.source = new Source(session, site);
    this.active = true;
    this.forget(); // what was pointed at was in another picture
    const [queries, keys] = [session.queries(site), session.keys(site)];
    const holes = isMasked(session.site(site));
    setChoice("how", how || "max");
    byId("rail").hidden = false;
    this.finder.use(queries, keys);
    const what = { source: this.source, layer, head, how: how || "max", queries, keys, holes, scale, palette, theme };
    return this.atlas.show({ .../** @type {any} */ (what), rows, cols });
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

  /** The texts around a cell of a far map. @param {Session} session */
  read(session, site, far) {
    if (far) this.passages.use(session.queries(site), session.keys(site));
    else this.passages.hide();
  }

  /** The picture's name, and that it takes keys. */
  label(label) {
    byId("heat").setAttribute("role", "application");
    byId("heat").setAttribute("aria-label", t("atlasLabel", { label }));
    byId("heat").tabIndex = 0;
  }

  /** The row of a far map, as a map of which nothing else is here. @returns {Promise<HeadMap>} */
  async band({ layer, head }, row) {
    return this.bandOf(row, await this.source.row({ layer, head }, row));
  }

  /** @param {Float32Array} weights of the row @returns {HeadMap} */
  bandOf(row, weights) {
    const { site, shape } = this.source;
    return { weights, rows: shape[0], cols: shape[1], causal: isCausal(site), holes: isMasked(site), from: row };
  }

  /**
   * The row to begin with: the chosen one; the last, where only it saw all; a picture's class token, since the answer is
   * read off it; else the middle.
   *
   * @param {State} state
   */
  firstBand(state) {
    const { site } = this.source;
    const { queries } = this.atlas.shown;
    const sees = isCausal(site) || site.mask === "both";
    const asks = queries.kind === "image" && queries.special[0] ? 0 : Math.floor(site.shape[0] / 2);
    return this.band(state, state.row ?? (sees ? site.shape[0] - 1 : asks));
  }

  /** The row's chosen key, or its strongest, among patches where there are some. @param {State} state @param {HeadMap} band */
  firstCell({ row, col }, { weights, from }) {
    const { boxes } = this.atlas.shown.keys;
    const own = boxes?.some(Boolean) ? weights.map((weight, key) => (boxes[key] ? weight : -1)) : weights;
    return { row: from, col: row !== null && col !== null ? col : largest(own) };
  }

  /** A click on a block means its strongest cell, where its colour is that cell's. @param {Cell} cell */
  async choose(cell) {
    const { source, layer, head, how } = this.atlas.shown;
    const side = this.atlas.known(cell)?.code ? 2 ** this.atlas.level : 1;
    const turn = (this.choosing = (this.choosing ?? 0) + 1);
    if (side === 1 || how === "mean") return this.on.choose(cell);
    const start = (at) => Math.floor(at / side) * side;
    const reach = (at, count) => /** @type {[number, number]} */ ([start(at), Math.min(start(at) + side, count)]);
    const [rows, cols] = [reach(cell.row, source.shape[0]), reach(cell.col, source.shape[1])];
    const weights = await source.window({ layer, head }, rows, cols).catch(() => null);
    if (turn !== this.choosing) return;
    if (!weights) return this.on.choose(cell);
    const best = weights.reduce((winner, weight, index) => (weight > weights[winner] ? index : winner), 0);
    const width = cols[1] - cols[0];
    this.on.choose({ row: rows[0] + Math.floor(best / width), col: cols[0] + (best % width) });
  }

  /** @param {"queries" | "keys"} side @param {number} index */
  go(side, index) {
    const { row, col } = this.on.kept() ?? { row: 0, col: 0 };
    const own = this.atlas.shown.queries === this.atlas.shown.keys;
    const cell = side === "keys" ? { row, col: index } : { row: index, col: own ? index : col };
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
    this.passages.show(shown, this.source.rowHere(this.atlas.shown, shown.row));
    this.tellOf(band);
    if (shown.row === band.from) return this.tell.show(shown);
    const { shown: what } = this.atlas;
    const here = this.source.cellHere(what, shown.row, shown.col);
    if (here !== undefined) return this.tell.sketch(shown, { weight: this.said(here, shown), certain: true });
    this.tell.sketch(shown, this.sketch(shown));
    if (!cell || this.atlas.known(cell)?.code === 0) return;
    this.resting.ask(
      (signal) => this.source.cell(this.atlas.shown, cell.row, cell.col, signal),
      (weight) => this.tell.sketch(cell, { weight: this.said(weight, cell), certain: true }),
    );
  }

  /** Tells of another row, where it is another. @param {HeadMap} band */
  tellOf(band) {
    if (this.tell.map !== band) this.tell.use(band, this.tell.queries, this.tell.keys);
  }

  /**
   * Tells of a row or column as of its strongest cell.
   *
   * @param {import("../../types.js").Place} place
   * @param {Float32Array} weights
   * @param {Cell} cell
   */
  tellLine({ rows }, weights, cell) {
    this.passages.show(cell, weights, rows ? "row" : "column");
    const weight = this.said(weights[rows ? cell.col : cell.row], cell);
    if (!rows) return this.tell.sketch(cell, { weight, certain: true });
    this.tellOf(this.bandOf(cell.row, weights));
    this.tell.show(cell);
  }

  /** An exact weight in full; exactly 0 where the model could not look. */
  said(weight, { row, col }) {
    const { site } = this.source;
    const masked = (isCausal(site) && col > row) || (isMasked(site) && weight === 0);
    return masked && this.atlas.known({ row, col })?.code !== 1 ? "—" : exact(weight);
  }

  /** What a tile says of a cell. @param {Cell} cell */
  sketch(cell) {
    const known = this.atlas.known(cell);
    if (!known) return { weight: "…", certain: false };
    if (known.code === 0) return { weight: "—", certain: true };
    const weight = WEIGHTS[known.code].toPrecision(2);
    const name = known.level === 0 ? "about" : this.atlas.shown.how === "max" ? "atMost" : "meanOf";
    const note = known.level === 0 ? "" : t("knownBy", { n: 2 ** known.level });
    return { weight: t(name, { weight: String(Number(weight)) }), note, certain: false };
  }

  viewed({ whole, n, trail }) {
    const { how } = this.atlas.shown;
    byId("reset").hidden = whole;
    byId("badge").hidden = n === 1;
    byId("how").hidden = n === 1;
    byId("badge").textContent = t(`reduced_${how}`, { n });
    byId("badge").title = t(`reducedTitle_${how}`);
    byId("trail-back").disabled = !trail.can(-1);
    byId("trail-on").disabled = !trail.can(1);
  }

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

  /** The export menu of a long map: what is in view, and of the whole head what one answer holds. */
  exports() {
    const list = byId("export-list");
    const [rows, cols] = this.source.shape;
    for (const link of list.querySelectorAll("a:not(.apart)")) {
      const format = new URL(link.href).searchParams.get("format");
      if (rows * cols * BYTES[format] > ANSWER) link.remove();
    }
    if (!list.querySelector("a:not(.apart)")) list.querySelector(".caption")?.remove();
    list.prepend(...viewMenu(this.atlas));
  }
}
