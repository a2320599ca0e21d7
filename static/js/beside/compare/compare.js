/**
 * Two maps side by side, and the first less the second: two heads of an answer, or an answer beside that of another input, of
 * another model, or of the unedited pass. Of one answer the page subtracts; of two the service matches the axes.
 */

import { asError, isAbort } from "../../api/request.js";
import { isLong } from "../../map/atlas/levels.js";
import { measured, refusal } from "../../source/choose.js";
import { isAskable } from "../../source/unedited.js";
import { t } from "../../text/i18n.js";
import { measureName } from "../../text/measures.js";
import { byId, element } from "../../views/dom.js";
import { FOLDED } from "../../views/narrow.js";
import { waiting } from "../../views/notices.js";
import { Chooser } from "./chooser.js";
import { Gallery } from "./gallery.js";
import { HERE, otherOf, otherText, UNEDITED } from "./other.js";
import { paired } from "./pair.js";
import { rankedHere, Ranking } from "./ranking.js";
import { cellMeasures, compared } from "./sheets.js";
import { Sides } from "./sides.js";
import { Window } from "./window.js";

/** @typedef {import("../../features.js").Page} Page */
/** @typedef {import("../../source/session.js").Session} Session */
/** @typedef {import("../../types.js").Cell} Cell */
/** @typedef {import("../../types.js").Head} Head */
/** @typedef {import("../../types.js").State} State */
/** @typedef {import("./other.js").Other} Other */
/** @typedef {import("./pair.js").Pair} Pair */

/** @implements {Pick<import("../../features.js").Feature, "translate" | "changed" | "answered" | "use" | "keep" | "point" | "view" | "open">} */
export class Compare {
  /** @param {Page} page */
  constructor(page) {
    this.page = page;
    this.explorer = page.explorer;
    this.view = "compare";
    this.active = false;
    this.turn = 0;
    this.drawnFor = ""; // the part of the state that the pictures are of
    /** @type {AbortController | null} */
    this.pending = null;
    this.sides = new Sides();
    this.window = new Window(page.explorer);
    this.chooser = new Chooser({
      choose: (part) => this.choose(part),
      ask: (wanted) => this.ask(wanted),
      swap: () => this.swap(),
    });
    this.ranking = new Ranking((pair) => this.openPair(pair));
    this.notice = element("p", { class: "quiet small", role: "status", id: "compare-notice" });
    this.gallery = new Gallery({
      point: (place) => this.explorer.point(place),
      choose: (cell) => this.explorer.choose(cell),
      zoom: (factor, cell) => this.window.zoom(factor, cell),
      pan: (cols, rows, done) => this.window.pan(cols, rows, done),
      reset: () => this.window.look(null, null),
    });
    this.root = element(
      "section",
      { class: "compare overlay", id: "compare", hidden: true },
      this.chooser.root,
      this.notice,
      this.gallery.root,
      this.gallery.kept,
      this.gallery.facts,
      this.ranking.root,
    );
    byId("stage").append(this.root);
    const heads = byId("heads");
    // While two heads of an answer are compared the rail chooses the other one.
    heads.addEventListener("click", (event) => this.railed(event), true);
    FOLDED.addEventListener("change", () => this.active && this.load());
    new MutationObserver(() => this.ring()).observe(heads, { childList: true });
  }

  /** @param {boolean} active */
  open(active) {
    if (active === this.active) return;
    this.active = active;
    this.root.hidden = !active;
    this.ring();
    if (active) return void this.load();
    this.gallery.leave();
    if (!this.explorer.long.active) this.explorer.draw(); // the view may have moved meanwhile
  }

  translate() {
    this.root.setAttribute("aria-label", t("view_compare"));
    this.chooser.translate();
    this.ranking.draw();
    if (this.active) this.load();
  }

  answered() {
    this.gallery.leave();
  }

  /** Another map is on show. */
  use() {
    if (this.active) this.load();
  }

  /** @param {State} state */
  changed({ other, rows, cols }) {
    if (!this.active || !this.explorer.map) return;
    const wanted = JSON.stringify([other, rows, cols]);
    if (wanted !== this.drawnFor) this.load();
  }

  /** @param {Cell} cell */
  keep(cell) {
    this.gallery.keep(cell);
  }

  /** What is pointed at elsewhere on the page. @param {import("../../types.js").Place | null} place */
  point(place) {
    if (!this.active || this.gallery.pointed) return;
    this.gallery.mark(place && { row: place.rows?.[0] ?? -1, col: place.cols?.[0] ?? -1 });
  }

  /** The site on show, and what it is compared with. */
  get now() {
    const { session, state, head } = this.explorer;
    const site = session?.findSite(state.site);
    if (!session || !site) return null;
    const edited = Boolean(session.draft.edits?.length) && isAskable(session);
    return { session, site, state, head, other: otherOf(state.other, site, head, edited) };
  }

  /** @param {Partial<Other>} part */
  choose(part) {
    const { now } = this;
    if (!now) return;
    const { other, site, head } = now;
    if (part.from === undefined) return this.record({ ...other, ...part });
    const place = part.from === HERE && !part.measure ? otherOf("", site, head, false) : { from: "", ...head, measure: "" };
    this.record({ ...place, ...part });
  }

  /** @param {Other} other */
  record(other) {
    const { now } = this;
    if (now) this.explorer.record({ other: otherText(other, now.site.name, now.head) }, "replace");
  }

  /** Another input's answer, or another model's, takes the other side. @param {{text?: string, model?: string}} wanted */
  async ask({ text, model }) {
    const { now } = this;
    if (!now) return;
    const settled = waiting();
    try {
      const wanted = { text, ...(model ? { model: this.page.form.models.find(model) } : {}) };
      const answer = await this.sides.ask(now.session, wanted);
      const { layers, heads } = answer.findSite(now.site.name) ?? now.site;
      const place = { layer: Math.min(now.head.layer, layers - 1), head: Math.min(now.head.head, heads - 1), measure: "" };
      if (this.explorer.session === now.session) this.record({ from: answer.summary.id, ...place });
    } catch (error) {
      if (!isAbort(error)) this.say(asError(error).message);
    } finally {
      settled();
    }
  }

  /** The other head takes the place of this one. */
  swap() {
    const { now } = this;
    if (!now || now.other.from !== HERE) return;
    const { layer, head } = now.other;
    this.explorer.go({ layer, head, other: otherText({ from: HERE, ...now.head, measure: "" }, now.site.name, { layer, head }) }, "push");
  }

  /** @param {import("./ranking.js").Pair} pair */
  openPair({ layer, head, other }) {
    const { now } = this;
    if (!now) return;
    const text = otherText({ from: now.other.from, ...other, measure: "" }, now.site.name, { layer, head });
    this.explorer.go({ layer, head, other: text }, "push");
  }

  /** @param {MouseEvent} event */
  railed(event) {
    const { now } = this;
    /** @type {HTMLElement | null} */
    const option = /** @type {Element} */ (event.target).closest("[role=option]");
    if (!this.active || !now || now.other.from !== HERE || !option) return;
    event.stopPropagation();
    this.choose({ layer: Number(option.dataset.layer), head: Number(option.dataset.head) });
  }

  /** Marks the other head in the rail. */
  ring() {
    const other = this.active ? this.now?.other : null;
    for (const option of /** @type {HTMLElement[]} */ ([...byId("heads").children])) {
      const { layer, head } = option.dataset;
      option.classList.toggle("other", other !== null && Number(layer) === other?.layer && Number(head) === other.head);
    }
  }

  /** Instead of pictures. @param {string} text */
  say(text) {
    this.notice.textContent = text;
  }

  /** Fetches both sides and draws; a newer call overtakes an older one. */
  async load() {
    const { now } = this;
    if (!now || !this.active) return;
    const turn = (this.turn += 1);
    this.pending?.abort();
    const { signal } = (this.pending = new AbortController());
    const { session, site, state, head, other } = now;
    this.drawnFor = JSON.stringify([state.other, state.rows, state.cols]);
    this.ring();
    const settled = waiting();
    try {
      const two = await this.sides.of(session, other.from, (name) => this.page.form.models.find(name));
      if (turn !== this.turn) return;
      const models = this.page.form.models.list;
      const measures = await cellMeasures(session, site.name).catch(() => []); // an older service has none
      if (turn !== this.turn) return;
      this.chooser.show(session, two.findSite(site.name) ?? site, other, {
        models,
        measures,
        name: this.sides.textOf(other.from),
        model: two.summary.model,
      });
      const sides = await this.measuredSides(session, two, state, other);
      if (turn !== this.turn) return;
      const pair = await paired({ ...sides, name: site.name, head, other, ...this.window.of(site), signal });
      if (turn !== this.turn) return;
      const hint = other.from === HERE ? (other.measure ? "" : t("compareHint")) : state.measure ? t("compareByWeights") : "";
      this.say(pair.rough ? t("compareRough") : hint);
      this.draw(pair);
      await this.rank(pair, head, turn, signal);
    } catch (error) {
      if (turn !== this.turn || isAbort(error)) return;
      this.gallery.clear();
      this.ranking.show(null, true);
      this.say(asError(error).message);
    } finally {
      settled();
    }
  }

  /**
   * By what both sides are drawn: two heads of an answer by the measure on show; a measure stands beside the weights; of two
   * answers the weights are compared.
   *
   * @param {Session} session @param {Session} two @param {State} state @param {Other} other
   * @returns {Promise<{one: Session, two: Session}>}
   */
  async measuredSides(session, two, { measure, objective, site }, other) {
    if (other.measure) {
      const wanted = { measure: other.measure, objective, site };
      const by = await measured(session, wanted, other);
      if (by === session) throw new Error(refusal(session, wanted) ?? t("measureUnknown", { name: other.measure }));
      return { one: session, two: by };
    }
    if (other.from !== HERE || !measure) return { one: session, two };
    const by = await measured(session, { measure, objective, site }, other);
    return { one: by, two: by };
  }

  /** The list of pairs. @param {Pair} pair @param {Head} head @param {number} turn @param {AbortSignal} signal */
  async rank({ one, two, site, other }, head, turn, signal) {
    if (other.measure || one.unitOf(site, head)) return this.ranking.show(null, true); // distances are those of weights
    if (one === two) {
      const pairs = isLong(one.site(site)) ? null : await rankedHere(one, site, head);
      if (turn !== this.turn) return;
      this.ranking.show(pairs, true, other);
      if (!pairs) this.say(`${this.notice.textContent} ${t("compareNoRanking")}`);
      return;
    }
    const [mine, its] = [one.site(site), two.site(site)];
    if (mine.layers !== its.layers || mine.heads !== its.heads) return this.ranking.show(null, false);
    const ids = /** @type {[string, string]} */ ([one.summary.id, two.summary.id]);
    const { heads } = await one.keep(`compare/${ids.join("/")}/${site}`, () => compared(ids, site, {}, signal), 0);
    if (turn === this.turn) this.ranking.show(heads, false, other);
  }

  /** @param {Pair} pair */
  draw(pair) {
    const { explorer } = this;
    const name = t("headName", { layer: pair.other.layer, head: pair.other.head });
    const plain = pair.other.from === HERE && !pair.other.measure;
    const what = plain ? name : t("compareOther", { head: name, what: this.nameOf(pair) });
    this.gallery.show(pair, {
      ...explorer.styled(),
      ...this.window.of(pair.one.site(pair.site)),
      names: [t("headName", explorer.head), what],
    });
    this.gallery.keep(explorer.kept);
  }

  /** What the other answer is called. @param {Pair} pair */
  nameOf({ one, two, other }) {
    if (other.measure) return measureName(other.measure);
    if (other.from === UNEDITED) return t("compareUnedited");
    const text = this.sides.textOf(other.from);
    return two.summary.model === one.summary.model && text ? text : two.summary.model;
  }
}
