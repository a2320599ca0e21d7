/** What the page does: state in, answer and map out. Views report gestures here; everything passes through `go`. */

import { Problem, Unreachable } from "./api/routes.js";
import { Beside } from "./beside/far.js";
import { isFar, isLong } from "./map/atlas/levels.js";
import { Long } from "./map/atlas/long.js";
import { bestHead, firstCell, fitting } from "./beginning.js";
import { mostInterested, strongest } from "./map/cells.js";
import { showCertificate } from "./views/certificate.js";
import { announce } from "./views/controls.js";
import { byId } from "./views/dom.js";
import { draftOf, stateOf } from "./input/draft.js";
import { showExports } from "./views/exports.js";
import { Grid } from "./map/grid/grid.js";
import { Heatmap } from "./map/heatmap/heatmap.js";
import { axisName, siteName, t } from "./text/i18n.js";
import { clearProblem, showProblem, waiting, waitingFor } from "./views/notices.js";
import { drawHeads, fetchAhead } from "./map/grid/overview.js";
import { headline, showPrediction } from "./views/prediction.js";
import { theme } from "./preferences.js";
import { Scene } from "./beside/scene.js";
import { Sentences } from "./text/sentences.js";
import { Session } from "./source/session.js";
import { Tell } from "./beside/cell-panel.js";
import { DEFAULTS, encodeState } from "./link.js";

/** @typedef {import("./types.js").Draft} Draft */
/** @typedef {import("./types.js").Media} Media */
/** @typedef {import("./types.js").Model} Model */
/** @typedef {import("./types.js").Place} Place */
/** @typedef {import("./types.js").State} State */

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
    /** @type {Map<string, Media>} the files of traces that this page has made, so that going back shows them */
    this.files = new Map();
    this.heatmap = new Heatmap({
      hover: (cell) => this.point(cell && { rows: [cell.row], cols: [cell.col] }),
      choose: (cell) => this.choose(cell),
      view: (whole, n) => this.viewed(whole, n),
      moved: (rows, cols) => this.record({ rows, cols }, "replace"),
    });
    this.grid = new Grid({
      choose: (layer, head) => this.go({ layer, head }, "push"),
      near: (layer, head) => fetchAhead(this, layer, head),
    });
    const gestures = {
      hover: (place) => this.point(place),
      choose: (place) => this.chooseBy(place),
      asKey: () => this.state.point === "keys",
      scale: () => this.scale(),
    };
    this.sentences = new Sentences(gestures);
    this.scene = new Scene(gestures);
    this.tell = new Tell({ choose: (cell) => this.choose(cell) });
    const long = {
      hover: (cell) => this.point(cell && { rows: [cell.row], cols: [cell.col] }),
      choose: (cell) => this.choose(cell),
      record: (patch) => this.record(patch, "replace"),
      restyle: (patch) => this.go(patch, "replace"),
      kept: () => this.kept,
    };
    this.long = new Long(long, this.tell);
    this.beside = new Beside(this.long, this.scene);
  }

  /** What draws the map on show. */
  get painter() {
    return this.long.active ? this.long.atlas : this.heatmap;
  }

  /** Whether the map on show is never in the page whole. */
  get far() {
    return this.map?.from !== undefined;
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

  /** Asks the model, then shows. @param {Draft} draft @param {Model | undefined} model @param {Partial<State>} patch */
  ask(draft, model, patch, history) {
    return this.open((signal) => Session.open(draft, model, signal), { ...patch, ...stateOf(draft) }, model, history);
  }

  /** Shows what the model was asked before, by the trace that the state names. @param {State} state */
  reopen(state, model, history) {
    const draft = { ...draftOf(state), media: this.files.get(state.trace) ?? null };
    const make = (signal) =>
      Session.reopen(state.trace, draft, model, signal).catch((error) => {
        throw error instanceof Problem && [404, 410].includes(error.status) ? new Error(t("traceGone")) : error;
      });
    return this.open(make, state, model, history);
  }

  /**
   * On failure everything stays as it was, and the error stands by the input.
   *
   * @param {(signal: AbortSignal) => Promise<Session>} make
   * @param {Partial<State>} patch what it leaves out keeps its place
   */
  async open(make, patch, model, history) {
    const wanted = { ...this.state, trace: "", ...patch };
    this.pending?.abort();
    const controller = (this.pending = new AbortController());
    const settled = waitingFor(model);
    clearProblem();
    try {
      const session = await make(controller.signal);
      if (controller.signal.aborted) return;
      this.session?.close();
      this.session = session;
      const { id, prediction } = session.summary;
      const { media } = session.draft;
      const seen = media || session.lacksMedia();
      if (media) this.files.set(id, media);
      this.record(fitting({ ...wanted, trace: seen ? id : "" }, session), "none");
      const said = Object.values(session.draft.fields).find(Boolean) ?? media?.name ?? headline(prediction);
      document.title = `${said.slice(0, 48)} · Heedmap`;
      showPrediction(session);
      byId("result").hidden = false;
      byId("empty").hidden = true;
      await this.showMap(history);
      const { site, layer, head } = this.state;
      announce(t("done", { text: headline(prediction), site: siteName(site), layer, head }));
    } catch (error) {
      if (error.name === "AbortError") return;
      showProblem(error);
    } finally {
      settled();
      if (this.pending === controller) this.pending = null;
    }
  }

  /** The answer in another language. */
  retell() {
    if (this.session) showPrediction(this.session);
  }

  /** Nothing on show: the input is not there yet. @param {Partial<State>} patch */
  clear(patch, history) {
    this.pending?.abort();
    this.turn = (this.turn ?? 0) + 1;
    this.session?.close();
    this.session = null;
    this.map = null;
    this.long.hide();
    delete byId("map").dataset.state;
    for (const id of ["result", "tell", "scene", "warning"]) byId(id).hidden = true;
    const { palette, scale, sort } = this.state;
    this.record({ ...DEFAULTS, palette, scale, sort, ...patch }, history);
  }

  /** Draws the state's map; a newer call overtakes an older one. */
  async showMap(history = "replace") {
    const turn = (this.turn = (this.turn ?? 0) + 1);
    const { session } = this;
    const settled = waiting();
    try {
      if (this.state.layer === null || this.state.head === null) {
        const head = await bestHead(session, this.state.site);
        if (turn !== this.turn) return;
        this.state = { ...this.state, ...head };
      }
      this.record({}, history);
      const { site, layer, head } = this.state;
      const own = session.site(site);
      if (isLong(own)) {
        this.map = null; // what is on show from now on is not the map before
        this.lengthen(session); // the picture waits for no weights
      } else this.long.hide();
      const map = await (isFar(own) ? this.long.firstBand(this.state) : session.map(site, layer, head));
      if (turn !== this.turn) return;
      this.map = map;
      this.kept = this.far ? this.long.firstCell(this.state, map) : firstCell(this.state, session, map);
      byId("map").dataset.state = "ready";
      this.tell.use(map, session.queries(site), session.keys(site));
      this.sentences.build(session, site, this.far);
      this.scene.build(session, site);
      this.scene.use(map);
      this.long.read(session, site, this.far);
      if (!this.far) this.sentences.use(map);
      this.keep(this.kept);
      showExports(session.summary.id, site, layer, head);
      if (this.long.active) this.long.exports();
      this.words(session, site);
      drawHeads(this, turn);
      if (!this.long.active) await this.draw();
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
    const { task, certificate } = session.summary;
    const { rows, cols } = this.map;
    byId("now").textContent = t("headName", { layer, head });
    const label = t("heatmapLabel", { site: siteName(site), layer, head, rows, cols });
    byId("heat").setAttribute("aria-label", label);
    if (this.long.active) this.long.label(label);
    byId("query-name").textContent = t("queries", { name: axisName(queries, task) });
    byId("key-name").textContent = t("keys", { name: axisName(keys, task) });
    showCertificate(certificate);
  }

  /** Over many keys each gets little, and all look alike on a linear scale: then logarithmic, unless somebody chose. */
  scale() {
    const keys = this.session?.site(this.state.site)?.shape[1] ?? 0;
    return this.state.scale || (keys > MANY_KEYS ? "log" : "linear");
  }

  /** Draws a long map. */
  lengthen(session) {
    this.heatmap.hide();
    return this.long.show(session, this.state, { scale: this.scale(), theme: theme() });
  }

  draw() {
    if (!this.map) return;
    if (this.long.active) return this.lengthen(this.session);
    const { site, palette, rows, cols } = this.state;
    const scale = this.scale();
    const [queries, keys] = [this.session.queries(site), this.session.keys(site)];
    return this.heatmap.show({ map: this.map, queries, keys, scale, palette, theme: theme(), rows, cols });
  }

  /** The cell that a word or patch means: the strongest of its row or column. @param {Place} place */
  cellOf({ rows, cols }) {
    const row = rows?.[0] ?? mostInterested(this.map, cols[0]);
    return { row, col: cols?.[0] ?? strongest(this.map, row) };
  }

  /** @param {Place} place a word, patch or frame */
  chooseBy(place) {
    if (this.far) this.beside.choose(place);
    else if (this.map) this.choose(this.cellOf(place)); // between two heads there is nothing to choose from
  }

  choose(cell) {
    this.record(cell, "replace");
    this.keep(cell);
    if (this.long.active) this.long.atlas.reveal(cell);
  }

  /** @param {{row: number, col: number}} cell */
  async keep(cell) {
    this.kept = cell;
    this.painter.keep(cell);
    if (this.far && cell.row !== this.map.from) {
      const map = await this.long.band(this.state, cell.row).catch((error) => this.long.failed(error));
      if (!map || this.kept !== cell || !this.far) return;
      this.map = map;
      this.tell.use(map, this.tell.queries, this.tell.keys);
    }
    this.point(null);
  }

  /** Shows what is pointed at everywhere; where nothing is, the kept cell. @param {Place | null} place */
  point(place) {
    if (!this.map) return;
    if (this.far) return this.beside.point(place, this.map);
    this.painter.point(place && { row: place.rows?.[0], col: place.cols?.[0] });
    const shown = place ?? { rows: [this.kept.row], cols: [this.kept.col] };
    this.tell.show(place ? this.cellOf(place) : this.kept);
    this.sentences.show(shown);
    this.scene.show(shown);
  }

  viewed(whole, n) {
    byId("reset").hidden = whole;
    byId("badge").hidden = n === 1;
    byId("badge").textContent = t("pooled", { n });
    byId("badge").title = t("pooledTitle");
  }
}
