/** The sentence over its translation, or over itself, joined by ribbons whose ink is the weight. */

import { asError, isAbort } from "../../api/request.js";
import { soundOf } from "../../input/media.js";
import { strengths } from "../../map/cells.js";
import { t } from "../../text/i18n.js";
import { element, onceAFrame } from "../../views/dom.js";
import { arrange } from "./arrange.js";
import { Chosen } from "./chosen.js";
import { drawGround, drawLines, drawSide, frame, measureIn, shape } from "./drawing.js";
import { gridOf, linesAt, linesOf, meanOf } from "./lines.js";
import { moved } from "./moves.js";
import { named } from "./naming.js";
import { near, sidesOf } from "./units.js";

/** @typedef {import("../../types.js").Cell} Cell */
/** @typedef {import("../../types.js").Head} Head */
/** @typedef {import("../../types.js").HeadMap} HeadMap */
/** @typedef {import("../../types.js").Place} Place */
/** @typedef {import("../../source/session.js").Session} Session */
/** @typedef {import("./lines.js").Grid} Grid */
/** @typedef {import("./units.js").Sides} Sides */
/** @typedef {"keys" | "queries"} Name of a side */

const MOST_WORDS = 160; // of a side: more lines of words than a reader follows
const FAINT = 0.02; // less attention than this lights no word
const LIT = 0.7; // a lit word's ground at a weight of 1
const MARGIN = 8;

export class Ribbons {
  /**
   * @param {HTMLElement} root an empty section
   * @param {{hover: (place: Place | null) => void, choose: (place: Place) => void}} on
   */
  constructor(root, on) {
    this.on = on;
    this.room = element("div", { class: "ribbon-room" });
    this.notice = element("p", { class: "quiet small", role: "status" });
    this.chosen = new Chosen({ changed: () => this.load(), redraw: () => this.draw() });
    root.append(this.chosen.root, this.notice, this.room);
    this.root = root;
    /** @type {{session: Session, site: string, map: HeadMap} | null} */
    this.shown = null;
    /** @type {Sides | null} all of them */
    this.whole = null;
    /** @type {Sides | null} those that are drawn */
    this.sides = null;
    /** @type {Grid[]} one a hue */
    this.grids = [];
    /** @type {import("./arrange.js").Arranged | null} */
    this.arranged = null;
    /** @type {Record<Name, SVGElement[]>} */
    this.nodes = { keys: [], queries: [] };
    this.strong = shape("g");
    this.own = shape("g");
    /** @type {Cell} */
    this.kept = { row: 0, col: 0 };
    /** @type {Float32Array | null} of the recording */
    this.samples = null;
    this.pointed = ""; // the unit under the pointer
    this.turn = 0;
    this.active = false;
    const again = onceAFrame(() => this.draw());
    this.width = 0;
    new ResizeObserver(() => this.room.clientWidth !== this.width && again()).observe(this.room);
    this.room.addEventListener("pointerover", (event) => this.over(event));
    this.room.addEventListener("pointerleave", () => this.leave());
    this.room.addEventListener("focusin", (event) => this.over(event));
    this.room.addEventListener("focusout", () => this.leave());
    this.room.addEventListener("click", (event) => this.choose(event));
    this.room.addEventListener("keydown", (event) => this.key(event));
  }

  /** Whether it is what the reader looks at. @param {boolean} active */
  open(active) {
    if (active === this.active) return;
    this.active = active;
    this.root.hidden = !active;
    if (active) this.load();
  }

  /** Another language. */
  translate() {
    this.chosen.translate();
    this.draw();
  }

  /** @param {Session} session @param {string} site @param {Head} head on show @param {HeadMap} map its map */
  use(session, site, head, map) {
    if (this.shown?.session !== session || this.shown.site !== site) {
      this.whole = this.samples = null;
      this.chosen.forget();
    }
    this.shown = { session, site, map };
    this.chosen.use(head, session.site(site));
    if (this.active) this.load();
  }

  /** The cell that was chosen. @param {Cell} cell */
  keep(cell) {
    this.kept = cell;
    if (!this.active || !this.whole) return;
    if (this.partial) return this.load();
    this.show(null);
  }

  /** Whether not all words are drawn. */
  get partial() {
    const { keys, queries } = this.whole ?? {};
    return [keys, queries].some((side) => side?.kind === "words" && side.units.length > MOST_WORDS);
  }

  /** Fetches the heads that are wanted, and draws; a newer call overtakes an older one. */
  async load() {
    const turn = (this.turn += 1);
    const { shown } = this;
    if (!shown || !this.active) return;
    if (shown.map.from !== undefined) return this.say(t("ribbonsFar"));
    try {
      this.whole ??= sidesOf(shown.session, shown.site);
      if (!this.samples && [this.whole.keys, this.whole.queries].some(({ kind }) => kind === "sound"))
        this.listen(shown.session);
      const sides = this.around(this.whole);
      /** @type {Grid[]} */
      const grids = [];
      for (const { layer, head } of this.chosen.heads()) {
        const map = await shown.session.map(shown.site, layer, head);
        if (turn !== this.turn) return;
        grids.push(gridOf(strengths(map), sides.queries.units, sides.keys.units));
      }
      this.sides = sides;
      this.grids = this.chosen.mode === "mean" ? [meanOf(grids)] : grids;
      this.draw();
    } catch (error) {
      if (turn === this.turn && !isAbort(error)) this.say(t("failedMap", { detail: asError(error).message }));
    }
  }

  /** The wave comes when it is decoded; until then there are the seconds. @param {Session} session */
  async listen(session) {
    const { media } = session.draft;
    const sound = media && (await soundOf(media));
    if (!sound || this.shown?.session !== session || this.samples) return;
    this.samples = sound.getChannelData(0);
    this.draw();
  }

  /** The words around the kept cell, where there are too many. @param {Sides} sides @returns {Sides} */
  around({ keys, queries }) {
    /** @param {import("./units.js").Side} side @param {number} token */
    const part = (side, token) => {
      if (side.kind !== "words" || side.units.length <= MOST_WORDS) return side;
      const at = Math.max(0, side.units.findIndex(({ tokens }) => tokens.includes(token)));
      return { ...side, units: side.units.slice(...near(side.units, at, MOST_WORDS)) };
    };
    return { keys: part(keys, this.kept.col), queries: part(queries, this.kept.row) };
  }

  /** Instead of ribbons. @param {string} text */
  say(text) {
    this.notice.textContent = text;
    this.room.replaceChildren();
    this.sides = this.arranged = null;
    this.nodes = { keys: [], queries: [] };
  }

  draw() {
    const { sides, shown, room } = this;
    this.width = room.clientWidth;
    if (!sides || !shown || !this.active || this.width <= 2 * MARGIN) return;
    const size = { width: this.width - 2 * MARGIN, height: room.clientHeight - 2 * MARGIN };
    const arranged = (this.arranged = arrange(sides, measureIn(room), size));
    const media = { url: shown.session.draft.media?.url ?? null, samples: this.samples };
    const labels = named(sides, this.grids);
    const drawn = (/** @type {Name} */ name) =>
      drawSide(name, sides[name], arranged[name], { title: t(`ribbons_${name}`), labels: labels[name] });
    const [keys, queries] = [drawn("keys"), drawn("queries")];
    this.strong = shape("g", { class: "ribbon-lines" });
    this.own = shape("g", { class: "ribbon-lines" });
    const grounds = [drawGround(sides.keys, arranged.keys, media), drawGround(sides.queries, arranged.queries, media)];
    const focused = this.room.contains(document.activeElement);
    this.room.replaceChildren(frame(arranged, t("view_ribbons"), [...grounds.flat(), this.strong, this.own, keys, queries]));
    this.nodes = { keys: unitsIn(keys), queries: unitsIn(queries) };
    this.drawStrongest();
    if (focused) this.nodes.queries[unitOf(sides.queries, this.kept.row)]?.focus();
    this.notice.textContent = this.partial ? t("ribbonsPart", { n: MOST_WORDS }) : "";
    this.show(null);
  }

  /** The lines that stand there while nothing is pointed at. */
  drawStrongest() {
    const { sides, arranged, grids } = this;
    if (!sides || !arranged) return;
    const lines = linesOf(grids, this.chosen.least);
    this.strong.replaceChildren(...drawLines(lines, arranged, grids.length, sides.keys));
    this.root.dataset.lines = String(lines.length);
  }

  /** Shows the lines of what is pointed at alone, the other side lit; all lines where nothing is. @param {Place | null} place */
  show(place) {
    const { sides, arranged, grids } = this;
    if (!sides || !arranged) return;
    const name = place?.rows ? "queries" : "keys";
    const tokens = place?.rows ?? place?.cols ?? [];
    const units = sides[name].units.flatMap((unit, at) => (unit.tokens.some((token) => tokens.includes(token)) ? [at] : []));
    const lines = units.length ? linesAt(grids, name, units, Math.min(FAINT, this.chosen.least)) : [];
    this.strong.classList.toggle("dim", units.length > 0);
    this.own.replaceChildren(...drawLines(lines, arranged, grids.length, sides.keys));
    const light = { keys: new Map(), queries: new Map() };
    const other = name === "queries" ? "key" : "query";
    for (const line of lines) {
      const lit = name === "queries" ? light.keys : light.queries;
      lit.set(line[other], Math.max(lit.get(line[other]) ?? 0, line.weight));
    }
    const marked = {
      queries: units.length ? (name === "queries" ? units : []) : [unitOf(sides.queries, this.kept.row)],
      keys: units.length ? (name === "keys" ? units : []) : [unitOf(sides.keys, this.kept.col)],
    };
    for (const side of /** @type {Name[]} */ (["keys", "queries"])) {
      this.nodes[side].forEach((node, at) => {
        const weight = light[side].get(at) ?? 0;
        const chosen = marked[side].includes(at);
        node.classList.toggle("marked", chosen);
        node.setAttribute("aria-selected", String(chosen));
        node.querySelector(".ribbon-ground")?.setAttribute("fill-opacity", (weight < FAINT ? 0 : LIT * weight).toFixed(3));
      });
    }
  }

  /** The unit that an event is about. @param {Event} event @returns {{side: Name, index: number, node: SVGElement} | null} */
  under(event) {
    const node = /** @type {Element} */ (event.target).closest(".ribbon-unit");
    if (!(node instanceof SVGElement)) return null;
    return { side: /** @type {Name} */ (node.dataset.side), index: Number(node.dataset.index), node };
  }

  /** @param {Name} side @param {number} index @returns {Place | null} */
  placeOf(side, index) {
    const tokens = this.sides?.[side].units[index]?.tokens ?? [];
    if (!tokens.length) return null;
    return side === "queries" ? { rows: tokens } : { cols: tokens };
  }

  /** @param {Event} event */
  over(event) {
    const unit = this.under(event);
    const name = unit ? `${unit.side} ${unit.index}` : "";
    if (name === this.pointed) return;
    this.pointed = name;
    this.on.hover(unit && this.placeOf(unit.side, unit.index));
  }

  leave() {
    if (!this.pointed) return;
    this.pointed = "";
    this.on.hover(null);
  }

  /** @param {Event} event */
  choose(event) {
    const unit = this.under(event);
    const place = unit && this.placeOf(unit.side, unit.index);
    if (place) this.on.choose(place);
  }

  /** Arrows go along a side and across to what is joined most; Enter chooses. @param {KeyboardEvent} event */
  key(event) {
    const unit = this.under(event);
    if (!unit || !this.sides || event.shiftKey) return;
    if (event.key === "Enter") {
      event.preventDefault();
      return this.choose(event);
    }
    const to = moved(event.key, unit, this.sides, this.grids);
    if (!to) return;
    event.preventDefault();
    const next = this.nodes[to.side][to.index];
    for (const node of this.nodes[to.side]) node.setAttribute("tabindex", node === next ? "0" : "-1");
    next?.focus();
  }
}

/** The unit that a token is in. @param {import("./units.js").Side} side @param {number} token */
const unitOf = ({ units }, token) => units.findIndex(({ tokens }) => tokens.includes(token));

/** @param {SVGElement} side @returns {SVGElement[]} */
const unitsIn = (side) => [.../** @type {NodeListOf<SVGElement>} */ (side.querySelectorAll(".ribbon-unit"))];
