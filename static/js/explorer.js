/** What the page does: state in, translation and map out. Views report gestures here; everything passes through `go`. */

import { Unreachable } from "./api.js";
import { brightest, mostInterested, strongest } from "./cells.js";
import { announce } from "./controls.js";
import { byId } from "./dom.js";
import { showExports } from "./exports.js";
import { Grid } from "./grid.js";
import { alignment, bestByStatistics, inPlace } from "./heads.js";
import { Heatmap } from "./heatmap.js";
import { axisName, siteName, t } from "./i18n.js";
import { clearProblem, showProblem, waiting } from "./notices.js";
import { theme } from "./preferences.js";
import { Sentences } from "./sentences.js";
import { Session } from "./session.js";
import { Tell } from "./tell.js";
import { DEFAULTS, encodeState } from "./url.js";

/** @typedef {import("./types.js").State} State */

const SEARCHED_CELLS = 1 << 20; // maps of up to 4 MB in all are looked through for the best aligner
const MANY_KEYS = 64;
const ONE_STEP = 800; // milliseconds: a run of key presses is one step of the history

export class Explorer {
  /** @param {(state: State) => void} changed tells the controls */
  constructor(changed) {
    this.changed = changed;
    /** @type {State} */
    this.state = { ...DEFAULTS };
    /** @type {Session | null} */
    this.session = null;
    this.heatmap = new Heatmap({
      hover: (cell) => this.hover(cell),
      choose: (cell) => this.choose(cell),
      view: (whole, n) => this.viewed(whole, n),
      moved: (rows, cols) => this.record({ rows, cols }, "replace"),
    });
    this.grid = new Grid({
      choose: (layer, head) => this.go({ layer, head }, "push"),
      near: (layer, head) => this.session?.map(this.state.site, layer, head).catch(() => {}), // ahead of the click
    });
    this.sentences = new Sentences({ hover: (place) => this.hoverWord(place), choose: (cell) => this.choose(cell) });
    this.tell = new Tell({ choose: (cell) => this.choose(cell) });
  }

  /** Writes into the state and the address, and nothing else. */
  record(patch, history) {
    this.state = { ...this.state, ...patch };
    const link = `#${encodeState(this.state)}`;
    if (history !== "none" && link !== window.location.hash) {
      const soon = performance.now() - (this.pushed ?? -Infinity) < ONE_STEP;
      if (history === "push" || (history === "step" && !soon)) window.history.pushState(null, "", link);
      else window.history.replaceState(null, "", link);
      if (history !== "replace") this.pushed = performance.now();
    }
    this.changed(this.state);
  }

  /**
   * The one way to change what is on show.
   *
   * @param {Partial<State>} patch
   * @param {"push" | "step" | "replace" | "none"} history
   */
  async go(patch, history) {
    if (!this.session) return this.record(patch, "none");
    if (patch.site && patch.site !== this.state.site)
      patch = { layer: null, head: null, row: null, col: null, rows: null, cols: null, ...patch };
    this.record(patch, history);
    await this.showMap();
  }

  /**
   * Translates, then shows; on failure everything stays as it was, and the error stands by the input.
   *
   * @param {Partial<State>} patch with model and text; what it leaves out keeps its place
   */
  async translate(patch, history) {
    const wanted = { ...this.state, ...patch };
    this.pending?.abort();
    const controller = (this.pending = new AbortController());
    const settled = waiting(true);
    clearProblem();
    try {
      const session = await Session.open(wanted.model, wanted.text, controller.signal);
      if (controller.signal.aborted) return;
      this.session?.close();
      this.session = session;
      this.record(this.fitting(wanted, session), "none");
      document.title = `${wanted.text.slice(0, 48)} · Heedmap`;
      byId("result").hidden = false;
      byId("empty").hidden = true;
      await this.showMap(history);
      const { site, layer, head } = this.state;
      announce(t("done", { text: session.summary.prediction.text, site: siteName(site), layer, head }));
    } catch (error) {
      if (error.name === "AbortError") return;
      showProblem(error);
    } finally {
      settled();
      if (this.pending === controller) this.pending = null;
    }
  }

  /** The part of a state that this session's sites have; the rest is chosen anew. */
  fitting(state, session) {
    const { sites } = session.summary;
    const site = session.site(state.site) ?? session.site("cross") ?? sites[sites.length - 1];
    const known = state.site === site.name && state.layer < site.layers && state.head < site.heads;
    const [rows, cols] = site.shape;
    const inside = state.row !== null && state.row < rows && state.col !== null && state.col < cols;
    return {
      ...state,
      site: site.name,
      layer: known ? state.layer : null,
      head: known ? state.head : null,
      row: inside ? state.row : null,
      col: inside ? state.col : null,
      rows: state.rows && state.rows[1] <= rows ? state.rows : null,
      cols: state.cols && state.cols[1] <= cols ? state.cols : null,
    };
  }

  /** Draws the state's map; a newer call overtakes an older one. */
  async showMap(history = "replace") {
    const turn = (this.turn = (this.turn ?? 0) + 1);
    const { session } = this;
    const settled = waiting(false);
    try {
      if (this.state.layer === null || this.state.head === null) {
        const best = await this.best(session, this.state.site);
        if (turn !== this.turn) return;
        this.record(best, "none");
      }
      this.record({}, history);
      const { site, layer, head } = this.state;
      const map = await session.map(site, layer, head);
      if (turn !== this.turn) return;
      this.map = map;
      const [queries, keys] = [session.queries(site), session.keys(site)];
      this.sentences.build(session, site);
      this.tell.use(map, queries, keys);
      this.keep(this.cell());
      byId("map").dataset.state = "ready";
      showExports(session.summary.id, site, layer, head);
      this.words(session, site);
      this.drawGrid(session, site, turn);
      await this.draw();
      announce(t("showing", { site: siteName(site), layer, head }));
    } catch (error) {
      if (error.name === "AbortError" || turn !== this.turn) return;
      showProblem(error instanceof Unreachable ? error : new Error(t("failedMap", { detail: error.message })));
    } finally {
      settled();
    }
  }

  /** Plain words around the map. */
  words(session, site) {
    const { layer, head } = this.state;
    const { queries, keys } = session.site(site);
    const { rows, cols } = this.map;
    byId("now").textContent = t("headName", { layer, head });
    byId("heat").setAttribute("aria-label", t("heatmapLabel", { site: siteName(site), layer, head, rows, cols }));
    byId("query-name").textContent = t("queries", { name: axisName(queries) });
    byId("key-name").textContent = t("keys", { name: axisName(keys) });
    const { max_error, rows_checked, kernel, dtype, versions } = session.summary.certificate;
    const error = max_error ? max_error.toExponential(0).replace("+", "") : "0";
    byId("certificate").textContent = t("certificate", { error });
    const made = Object.entries(versions)
      .map((pair) => pair.join(" "))
      .join(", ");
    byId("certificate-text").textContent = t("certificateText", {
      error: max_error ? max_error.toExponential(1) : "0",
      rows: rows_checked,
      kernel,
      dtype,
      versions: made,
    });
  }

  /** Over many keys each gets little, and all look alike on a linear scale: then logarithmic, unless somebody chose. */
  scale() {
    const keys = this.session?.site(this.state.site)?.shape[1] ?? 0;
    return this.state.scale || (keys > MANY_KEYS ? "log" : "linear");
  }

  draw() {
    if (!this.map) return;
    const { site, palette, rows, cols } = this.state;
    const scale = this.scale();
    const [queries, keys] = [this.session.queries(site), this.session.keys(site)];
    return this.heatmap.show({ map: this.map, queries, keys, scale, palette, theme: theme(), rows, cols });
  }

  /** Thumbnails and statistics come when they come; the map does not wait for them. */
  async drawGrid(session, siteName, turn) {
    const { sort, palette } = this.state;
    const scale = this.scale();
    const site = session.site(siteName);
    const [rows, thumbnails] = await Promise.all([
      session.heads().catch(() => []),
      session.thumbnails(siteName).catch(() => null),
    ]);
    if (turn !== this.turn) return;
    const own = rows.filter((row) => row.site === siteName);
    const { layer, head } = this.state;
    const look = { site, rows: own, thumbnails, sort, scale, palette, theme: theme() };
    const same =
      this.look && Object.entries(look).every(([name, value]) => name === "rows" || this.look[name] === value);
    if (!same) this.grid.show(look);
    this.look = look;
    this.grid.mark(layer, head);
    this.tell.head(own, layer, head);
  }

  /** The head to begin with. */
  async best(session, siteName) {
    const site = session.site(siteName);
    const [queries, keys] = [session.queries(siteName), session.keys(siteName)];
    const cells = site.layers * site.heads * site.shape[0] * site.shape[1];
    if (siteName !== "cross" || cells > SEARCHED_CELLS) {
      const rows = (await session.heads()).filter((row) => row.site === siteName);
      const { layer, head } = bestByStatistics(rows) ?? { layer: 0, head: 0 };
      return { layer, head };
    }
    const places = inPlace(site);
    const maps = await Promise.all(places.map(({ layer, head }) => session.map(siteName, layer, head)));
    const scores = maps.map((map) => alignment(map, queries, keys));
    return places[scores.indexOf(Math.max(...scores))];
  }

  /** The chosen cell, or the one that says most where nobody has chosen. */
  cell() {
    const { site, row, col } = this.state;
    if (row !== null && col !== null) return { row, col };
    const [first, second] = brightest(this.map, this.session.queries(site), this.session.keys(site));
    return { row: first, col: second };
  }

  choose(cell) {
    this.record(cell, "replace");
    this.keep(cell);
  }

  keep(cell) {
    this.kept = cell;
    this.heatmap.keep(cell);
    this.tell.show(cell);
    this.sentences.use(this.map, cell);
  }

  hover(cell) {
    if (!this.map) return;
    this.heatmap.point(cell);
    this.tell.show(cell ?? this.kept);
    this.sentences.show(cell ?? this.kept);
  }

  hoverWord(place) {
    if (!this.map) return;
    this.heatmap.point(place);
    if (!place) {
      this.sentences.show(this.kept);
      return this.tell.show(this.kept);
    }
    const row = place.row ?? mostInterested(this.map, place.col);
    this.tell.show({ row, col: place.col ?? strongest(this.map, row) });
  }

  viewed(whole, n) {
    byId("reset").hidden = whole;
    byId("badge").hidden = n === 1;
    byId("badge").textContent = t("pooled", { n });
    byId("badge").title = t("pooledTitle");
  }
}
