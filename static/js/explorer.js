/** What the page does: state in, answer and map out. Views report gestures here; everything passes through `go`. */

import { asError, isAbort } from "./api/request.js";
import { bestHead, firstCell, fitting } from "./beginning.js";
import { Beside } from "./beside/beside.js";
import { FarScene } from "./beside/far.js";
import { Address, DEFAULTS } from "./link.js";
import { isFar, isLong, MANY_KEYS } from "./map/atlas/levels.js";
import { LongMap } from "./map/atlas/long.js";
import { cellMeant } from "./map/cells.js";
import { Grid } from "./map/grid/grid.js";
import { drawHeads, fetchAhead } from "./map/grid/overview.js";
import { Heatmap } from "./map/heatmap/heatmap.js";
import { learnMade } from "./map/made.js";
import { theme } from "./preferences.js";
import { Recovery } from "./recovery.js";
import { measured } from "./source/choose.js";
import { reducedMap } from "./source/reduced.js";
import { siteName, t } from "./text/i18n.js";
import { isolated } from "./text/isolate.js";
import { showCaptions, showReduction } from "./views/captions.js";
import { announce } from "./views/controls.js";
import { byId, setMapState } from "./views/dom.js";
import { openDrawer } from "./views/drawer.js";
import { showExports } from "./views/exports.js";
import { clearProblem, showProblem, waiting, waitingFor } from "./views/notices.js";
import { headline, showPrediction } from "./views/prediction.js";

/** @typedef {import("./types.js").Cell} Cell */
/** @typedef {import("./types.js").HeadMap} HeadMap */
/** @typedef {import("./types.js").History} History */
/** @typedef {import("./types.js").Media} Media @typedef {import("./types.js").Model} Model */
/** @typedef {import("./types.js").Place} Place */
/** @typedef {import("./source/session.js").Session} Session */
/** @typedef {import("./types.js").State} State */

export class Explorer {
  /** @param {(state: State) => void} changed shows the state in the controls */
  constructor(changed) {
    this.changed = changed;
    /** @type {State} */
    this.state = { ...DEFAULTS };
    /** @type {Session | null} */
    this.session = null;
    /** @type {Session | null} whose maps are on show: the same, or that by another measure than the weights */
    this.measured = null;
    /** @type {HeadMap | null} on show; of a far one, the kept cell's row */
    this.map = null;
    /** @type {Cell} the chosen one */
    this.kept = { row: 0, col: 0 };
    /** @type {import("./map/grid/grid.js").Look | null} the grid on show */
    this.look = null;
    /** @type {AbortController | null} of the answer under way */
    this.pending = null;
    this.turn = 0;
    this.address = new Address();
    /** @type {Map<string, Media>} the files of traces that this page has made, so that going back shows them */
    this.files = new Map();
    this.recovery = new Recovery();
    this.heatmap = new Heatmap({
      hover: (place) => this.point(place),
      choose: (cell) => this.choose(cell),
      ask: (place) => this.chooseBy(place),
      view: showReduction,
      moved: (rows, cols) => this.record({ rows, cols }, "replace"),
    });
    this.grid = new Grid({
      choose: (layer, head) => this.go({ layer, head }, "push"),
      near: (layer, head) => fetchAhead(this, layer, head),
    });
    const gestures = {
      /** @param {Place | null} place */
      hover: (place) => this.point(place),
      /** @param {Place} place */
      choose: (place) => this.chooseBy(place),
      asKey: () => this.state.point === "keys",
      scale: () => this.scale(),
    };
    this.beside = new Beside(gestures, (cell) => this.choose(cell));
    /** @type {ConstructorParameters<typeof LongMap>[0]} */
    const long = {
      hover: (place) => this.point(place),
      choose: (cell) => this.choose(cell),
      ask: (place) => this.chooseBy(place),
      record: (patch) => this.record(patch, "replace"),
      restyle: (patch) => this.go(patch, "replace"),
      kept: () => this.kept,
    };
    this.long = new LongMap(long, this.beside.panel);
    this.farScene = new FarScene(this.long, this.beside.scene);
  }

  /** What draws the map on show. */
  get painter() {
    return this.long.active ? this.long.atlas : this.heatmap;
  }

  /** Whether the map on show is never in the page whole. */
  get far() {
    return this.map?.from !== undefined;
  }

  /** The head on show; there is one wherever this is asked for. @returns {import("./types.js").Head} */
  get head() {
    return { layer: this.state.layer ?? 0, head: this.state.head ?? 0 };
  }

  /** Writes into the state and the address, and nothing else. @param {Partial<State>} patch @param {History} history */
  record(patch, history) {
    this.state = { ...this.state, ...patch };
    this.address.write(this.state, history, this.session?.summary.id);
    this.changed(this.state);
  }

  /**
   * The one way to change what is on show.
   *
   * @param {Partial<State>} patch
   * @param {History} history
   */
  async go(patch, history) {
    if (!this.session) return this.record(patch, "none");
    if (patch.site && patch.site !== this.state.site)
      patch = { layer: null, head: null, over: "", row: null, col: null, rows: null, cols: null, ...patch };
    this.record(patch, history);
    await this.showMap(null);
  }

  /** Something else than a map of the session takes the room: nothing to choose from, and nothing drawn over it. */
  makeRoom() {
    this.turn += 1;
    this.map = null;
    this.long.hide();
    this.beside.see("");
  }

  /**
   * On failure everything stays as it was, and the error stands by the input.
   *
   * @param {(signal: AbortSignal) => Promise<Session>} make
   * @param {Partial<State>} patch what it leaves out keeps its place
   * @param {Model | undefined} model
   * @param {History} history
   * @param {() => unknown} [again] asks once more
   */
  async open(make, patch, model, history, again) {
    const wanted = { ...this.state, trace: "", ...patch };
    this.pending?.abort();
    const controller = (this.pending = new AbortController());
    const settled = waitingFor(model);
    clearProblem();
    try {
      const session = await make(controller.signal);
      if (controller.signal.aborted) return session.close();
      this.session?.close();
      this.session = session;
      const { id, prediction } = session.summary;
      learnMade(session.summary);
      const { media } = session.draft;
      const seen = media || session.lacksMedia();
      if (media) this.files.set(id, media);
      this.record(fitting({ ...wanted, trace: seen ? id : "" }, session), "none");
      const title = Object.values(session.draft.fields).find(Boolean) ?? media?.name ?? headline(prediction);
      document.title = `${isolated(title.slice(0, 48))} · Heedmap`;
      showPrediction(session);
      byId("result").hidden = false;
      byId("empty").hidden = true;
      await this.showMap(history);
      announce(t("done", { text: headline(prediction), site: siteName(this.state.site), ...this.head }));
    } catch (error) {
      if (!isAbort(error)) showProblem(asError(error), again);
    } finally {
      settled();
      if (this.pending === controller) this.pending = null;
    }
  }

  /** The answer in another language. */
  translate() {
    if (this.session) showPrediction(this.session);
  }

  /** Nothing on show: the input is not there yet. @param {Partial<State>} patch @param {History} history */
  clear(patch, history) {
    this.pending?.abort();
    this.session?.close();
    this.session = this.measured = null;
    this.makeRoom();
    setMapState(null);
    for (const id of ["result", "cell-details", "scene", "warning"]) byId(id).hidden = true;
    const { palette, scale, sort } = this.state;
    this.record({ ...DEFAULTS, palette, scale, sort, ...patch }, history);
  }

  /** Draws the state's map; a newer call overtakes an older one. @param {History | null} [history] null: it is recorded already */
  async showMap(history = "replace") {
    const turn = (this.turn += 1);
    const { session: base } = this;
    if (!base) return;
    const settled = waiting();
    try {
      if (this.state.layer === null || this.state.head === null) {
        const head = await bestHead(base, this.state.site);
        if (turn !== this.turn) return;
        this.state = { ...this.state, ...head };
        history ??= "replace";
      }
      if (history) this.record({}, history);
      const { site: name } = this.state;
      const { layer, head } = this.head;
      const session = await measured(base, this.state, this.head);
      if (turn !== this.turn) return;
      this.measured = session;
      const site = session.site(name);
      const far = isFar(site);
      if (isLong(site)) {
        this.map = null; // what is on show from now on is not the map before
        this.lengthen(session); // the picture waits for no weights
      } else this.long.hide();
      const band = far ? await this.long.firstBand(this.head, this.state.row) : null;
      const over = this.over;
      const map = band ?? (over ? await reducedMap(session, name, layer, over) : await session.map(name, layer, head));
      if (turn !== this.turn) return;
      this.map = map;
      this.kept = band ? this.long.firstCell(this.state, band) : firstCell(this.state, session, map);
      this.beside.use(session, this.state, this.head, map, far);
      this.long.read(session, name, far);
      this.keep(this.kept);
      showExports(session, name, { layer, head: over || head });
      if (this.long.active) this.long.label(showCaptions(session, name, this.head, map));
      else showCaptions(session, name, this.head, map, over);
      drawHeads(this, session, turn);
      if (!this.long.active) await this.draw();
      setMapState("ready");
      this.recovery.arrived(base, this.state);
      announce(t("showing", { site: siteName(name), layer, head }));
    } catch (error) {
      if (isAbort(error) || turn !== this.turn) return;
      await this.recovery.failed(base, asError(error), this);
    } finally {
      settled();
    }
  }

  /** A map did not come: tabs, address and map say again what is on show. @param {Partial<State>} place */
  back(place) {
    this.record(place, "replace");
    return this.showMap("none"); // its picture may have made way already
  }

  /** Which heads of the layer are one map; long maps are drawn one by one. */
  get over() {
    return isLong(this.session?.findSite(this.state.site)) ? "" : this.state.over;
  }

  /** Over many keys each gets little, and all look alike on a linear scale: then logarithmic, unless somebody chose. */
  scale() {
    const keys = this.session?.findSite(this.state.site)?.shape[1] ?? 0;
    return this.state.scale || (keys > MANY_KEYS ? "log" : "linear");
  }

  /** Draws a long map. @param {Session} session */
  lengthen(session) {
    this.heatmap.hide();
    return this.long.show(session, this.state, this.head, { scale: this.scale(), theme: theme() });
  }

  draw() {
    const { map, measured: session } = this;
    if (!map || !session) return;
    if (this.long.active) return this.lengthen(session);
    const { site, rows, cols } = this.state;
    const [queries, keys] = [session.queries(site), session.keys(site)];
    return this.heatmap.show({ map, queries, keys, ...this.styled(), rows, cols });
  }

  /** How maps are drawn. */
  styled() {
    return { scale: this.scale(), palette: this.state.palette, theme: theme() };
  }

  /** @param {Place} place a word, patch or frame */
  chooseBy(place) {
    if (this.far) this.farScene.choose(place);
    else if (this.map) this.choose(cellMeant(this.map, place)); // between two heads there is nothing to choose from
  }

  /** @param {Cell} cell @returns {Promise<void>} when all of it is on show */
  choose(cell) {
    this.record(cell, "replace");
    const kept = this.keep(cell);
    if (this.long.active) this.long.atlas.reveal(cell);
    openDrawer();
    return kept;
  }

  /** @param {Cell} cell */
  async keep(cell) {
    this.kept = cell;
    this.painter.keep(cell);
    this.beside.keep(cell);
    if (this.far && cell.row !== this.map?.from) {
      const map = await this.long.band(this.head, cell.row).catch((error) => this.long.failed(error));
      if (!map || this.kept !== cell || !this.far) return;
      this.map = map;
      this.long.listRow(map);
    }
    this.point(null);
  }

  /** Shows what is pointed at everywhere; where nothing is, the kept cell. @param {Place | null} place */
  point(place) {
    if (!this.map) return;
    this.beside.wanted(place);
    if (this.far) return this.farScene.point(place, this.map);
    this.painter.point(place && { row: place.rows?.[0], col: place.cols?.[0] });
    this.beside.show(place, this.kept, this.map);
  }
}
