/** Everything beside the map that follows it: sentences, picture or wave, the kept cell and its derivation, ribbons. */

import { cellMeant, shares, strengths } from "../map/cells.js";
import { Card } from "../map/card.js";
import { Sentences } from "../text/sentences.js";
import { byId } from "../views/dom.js";
import { showShort } from "../views/drawer.js";
import { CellPanel } from "./cell-panel.js";
import { Derivation } from "./derivation/derivation.js";
import { Ribbons } from "./ribbons/ribbons.js";
import { Scene } from "./scene.js";

/** @typedef {import("../source/session.js").Session} Session */
/** @typedef {import("../types.js").Cell} Cell */
/** @typedef {import("../types.js").Head} Head */
/** @typedef {import("../types.js").HeadMap} HeadMap */
/** @typedef {import("../types.js").Place} Place */
/** @typedef {import("../types.js").State} State */

export class Beside {
  /**
   * @param {ConstructorParameters<typeof Scene>[0]} gestures
   * @param {(cell: Cell) => void} choose
   */
  constructor(gestures, choose) {
    this.card = new Card();
    this.sentences = new Sentences(gestures);
    this.scene = new Scene(gestures);
    this.panel = new CellPanel({
      choose,
      said: (said) => (this.card.wanted ? this.card.cell(said) : showShort(said)),
    });
    this.derivation = new Derivation(byId("derivation"), { choose });
    this.ribbons = new Ribbons(byId("ribbons"), gestures);
    /** @type {import("../features.js").Feature[]} what else follows the map */
    this.features = [];
  }

  /**
   * Another map is on show.
   *
   * @param {Session} session
   * @param {State} state
   * @param {Head} which
   * @param {HeadMap} map
   * @param {boolean} far it is never in the page whole
   */
  use(session, state, which, map, far) {
    const { site, view } = state;
    const axes = { queries: session.queries(site), keys: session.keys(site) };
    this.panel.use(map, axes.queries, axes.keys);
    this.sentences.build(session, site, far);
    if (!far) this.sentences.use(shares(map));
    this.scene.build(session, site);
    this.scene.use(strengths(map));
    const { certificate, bytes = 0 } = session.summary;
    const { layer, head } = which;
    const error = certificate.errors?.[site]?.[layer]?.[head] ?? null;
    this.derivation.use({ site, ...which, ...axes, error, bytes, tensors: () => session.layer(site, layer) });
    this.ribbons.use(session, site, which, map);
    for (const feature of this.features) feature.use?.({ session, state, head: which, map, far });
    this.see(view);
  }

  /** What takes the stage. @param {string} view by its name; empty: the map */
  see(view) {
    this.ribbons.open(view === "ribbons");
    for (const feature of this.features) feature.open?.(view !== "" && feature.view === view);
  }

  /** @param {Cell} cell */
  keep(cell) {
    this.derivation.show(cell);
    this.ribbons.keep(cell);
    for (const feature of this.features) feature.keep?.(cell);
  }

  /** Somebody points, or no longer does. @param {Place | null} place */
  wanted(place) {
    this.card.wanted = place !== null;
    if (!place) this.card.hide();
  }

  /** What is pointed at; where nothing is, the kept cell. @param {Place | null} place @param {Cell} kept @param {HeadMap} map */
  show(place, kept, map) {
    const shown = place ?? { rows: [kept.row], cols: [kept.col] };
    this.panel.show(place ? cellMeant(map, place) : kept);
    const { queries, keys } = this.panel;
    if (place && !(place.rows && place.cols) && queries && keys) this.card.line(place, map, queries, keys);
    this.sentences.show(shown);
    this.scene.show(shown);
    this.ribbons.show(place);
    for (const feature of this.features) feature.point?.(place);
  }

  /** In another language. */
  translate() {
    this.derivation.translate();
    this.ribbons.translate();
    for (const feature of this.features) feature.translate?.();
  }
}
