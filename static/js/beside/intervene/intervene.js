/**
 * What a reader changes in the pass: heads fall silent, cells are cut, and the answer is made again. The edits in force stand
 * over the map as long as there are any, with the answer before beside the one now.
 */

import { asError, isAbort } from "../../api/request.js";
import { stateOf } from "../../input/draft.js";
import { cutsOf, isSilenced, toggled } from "../../input/edits.js";
import { learnCuts } from "../../map/cuts.js";
import { Session } from "../../source/session.js";
import { isAskable, unedited } from "../../source/unedited.js";
import { siteName, t } from "../../text/i18n.js";
import { isolated } from "../../text/isolate.js";
import { tokenText } from "../../text/words.js";
import { announce } from "../../views/controls.js";
import { byId, element, setText } from "../../views/dom.js";
import { UNEDITED } from "../compare/other.js";
import { effectOf } from "./effect.js";
import { RailMarks } from "./marks.js";

/** @typedef {import("../../features.js").Page} Page */
/** @typedef {import("../../features.js").Shown} Shown */
/** @typedef {import("../../types.js").Cell} Cell */
/** @typedef {import("../../types.js").Edit} Edit */
/** @typedef {import("./effect.js").Effect} Effect */

const DIGITS = 3;

/** A score as people compare it. @param {number | null} value */
const figure = (value) => (value === null ? "–" : value.toFixed(DIGITS).replace("-", "−"));

/** @implements {Pick<import("../../features.js").Feature, "translate" | "changed" | "answered" | "use" | "keep" | "keys">} */
export class Intervene {
  /** @param {Page} page */
  constructor(page) {
    this.page = page;
    this.explorer = page.explorer;
    /** @type {Shown | null} */
    this.on = null;
    /** @type {Cell | null} */
    this.cell = null;
    /** @type {Effect | null} */
    this.effect = null;
    this.failed = "";
    this.turn = 0;
    this.marks = new RailMarks();
    /** @param {string} id @param {() => void} act */
    const button = (id, act) => element("button", { type: "button", class: "small", id, on: { click: act } });
    this.silence = button("silence", () => this.toggleHead());
    this.cut = button("cut", () => this.toggleCell());
    // Each stands where what it changes is told of: the head below the rail, the kept cell in its column.
    byId("grid-room").after(this.silence);
    byId("cell-details").querySelector(".facts")?.after(this.cut);
    this.silence.hidden = this.cut.hidden = true;
    this.map = button("edit-map", () => this.compare());
    this.root = element("section", { class: "edits", id: "edits", hidden: true });
    byId("stage").before(this.root);
    this.keys = {
      keySilence: () => this.silence.hidden || this.silence.disabled || this.toggleHead(),
      keyCut: () => this.cut.hidden || this.cut.disabled || this.toggleCell(),
      keyUndo: () => this.edits.length && this.askable && this.apply(this.edits.slice(0, -1)),
    };
  }

  /** Those in force. @returns {Edit[]} */
  get edits() {
    return this.explorer.session?.draft.edits ?? [];
  }

  /** Whether passes can be made again. */
  get askable() {
    const { session } = this.explorer;
    return session !== null && isAskable(session);
  }

  /** The head on show, or all of its layer where these are one map. */
  get where() {
    const { state, head, over } = this.explorer;
    return { site: state.site, layer: head.layer, head: over ? /** @type {const} */ ("all") : head.head };
  }

  toggleHead() {
    return this.apply(toggled(this.edits, { kind: "silence", ...this.where }));
  }

  toggleCell() {
    const { row: query, col: key } = this.cell ?? this.explorer.kept;
    return this.apply(toggled(this.edits, { kind: "cut", ...this.where, query, key }));
  }

  /** Makes the pass again with these edits; refused ones change nothing. @param {Edit[]} edits */
  async apply(edits) {
    const { explorer } = this;
    const { session } = explorer;
    if (!session) return;
    const draft = { ...session.draft, edits };
    const make = (/** @type {AbortSignal} */ signal) => Session.open(draft, session.model, signal);
    await explorer.open(make, stateOf(draft), session.model, "push");
    if (explorer.session !== session) this.page.shown();
  }

  translate() {
    this.root.setAttribute("aria-label", t("edits"));
    setText(this.map, t("editMap"));
    this.marks.draw();
    this.name();
    this.draw();
  }

  changed() {
    this.name();
  }

  /** @param {Session | null} session */
  answered(session) {
    const turn = (this.turn += 1);
    this.effect = null;
    this.failed = "";
    this.name();
    this.draw();
    if (!session || !this.edits.length || !this.askable) return;
    unedited(session)
      .then((before) => effectOf(before, session))
      .then((effect) => {
        if (turn !== this.turn) return;
        this.effect = effect;
        this.draw();
        if (effect) announce(t(effect.same ? "editSame" : "editChanged"));
      })
      .catch((error) => {
        if (turn !== this.turn || isAbort(error)) return;
        this.failed = asError(error).message;
        this.draw();
      });
  }

  /** @param {Shown} shown */
  use(shown) {
    this.on = shown;
    const { site } = shown.state;
    this.marks.use(this.edits, site);
    const cuts = cutsOf(this.edits, site, shown.head);
    learnCuts(cuts.map(({ query, key }) => ({ row: query, col: key })));
    this.name();
    this.draw();
  }

  /** @param {Cell} cell */
  keep(cell) {
    this.cell = cell;
    this.name();
  }

  /** What the buttons would do now. */
  name() {
    const { session } = this.explorer;
    this.silence.hidden = this.cut.hidden = !session || !this.askable;
    if (!session || !session.findSite(this.explorer.state.site)) return;
    const { site, layer, head } = this.where;
    const { edits } = this;
    const silenced = isSilenced(edits, site, this.explorer.head);
    const mine = edits.some((edit) => edit.kind === "silence" && edit.site === site && edit.layer === layer && edit.head === head);
    setText(this.silence, t(mine ? "editSpeak" : head === "all" ? "editSilenceLayer" : "editSilence"));
    this.silence.setAttribute("aria-pressed", String(silenced));
    this.silence.title = t("keySilence");
    this.silence.disabled = silenced && !mine;
    const { row, col } = this.cell ?? { row: -1, col: -1 };
    const there = cutsOf(edits, site, this.explorer.head).some(({ query, key }) => query === row && key === col);
    setText(this.cut, t(there ? "editJoin" : "editCut"));
    this.cut.setAttribute("aria-pressed", String(there));
    this.cut.title = this.cell ? `${t("keyCut")}: ${this.cellName(site, row, col)}` : t("keyCut");
    this.cut.disabled = silenced && !there;
  }

  /** A cell by its tokens. @param {string} site @param {number} row @param {number} col */
  cellName(site, row, col) {
    const { session } = this.explorer;
    if (!session?.findSite(site)) return `(${row}, ${col})`;
    const [queries, keys] = [session.queries(site), session.keys(site)];
    /** @param {import("../../types.js").Axis} axis @param {number} at */
    const token = (axis, at) => (at < axis.labels.length ? isolated(tokenText(axis, at)) : String(at));
    return `${token(queries, row)} → ${token(keys, col)}`;
  }

  /** @param {Edit} edit */
  editName(edit) {
    const { layer, head, site } = edit;
    const where = `${siteName(site)} · ${t(head === "all" ? "editLayer" : "headName", { layer, head })}`;
    if (edit.kind === "silence") return t("editNameSilence", { where });
    return t("editNameCut", { cell: this.cellName(site, edit.query, edit.key), where });
  }

  draw() {
    const { edits, askable } = this;
    this.root.hidden = edits.length === 0;
    byId("map").classList.toggle("edited", edits.length > 0);
    if (!edits.length) return this.root.replaceChildren();
    const chips = edits.map((edit, at) => {
      const name = this.editName(edit);
      const undo = element("button", {
        type: "button",
        class: "plain small",
        textContent: "×",
        title: t("editUndo", { name }),
        "aria-label": t("editUndo", { name }),
        on: { click: () => this.apply(edits.filter((_, other) => other !== at)) },
      });
      const show = element("button", {
        type: "button",
        class: "plain small edit-name",
        textContent: name,
        title: t("editShow"),
        on: { click: () => this.show(edit) },
      });
      return element("li", { class: "edit" }, show, ...(askable ? [undo] : []));
    });
    const all = element("button", {
      type: "button",
      class: "small",
      id: "undo-all",
      textContent: t("editUndoAll"),
      on: { click: () => this.apply([]) },
    });
    const line = element(
      "div",
      { class: "edits-line" },
      element("h2", { class: "caption" }, t("edits")),
      element("ul", { class: "edit-list" }, ...chips),
      ...(askable ? [all, this.map] : []),
    );
    this.root.replaceChildren(line, ...this.outcome());
  }

  /** The map on show less that of the unedited pass. */
  compare() {
    this.explorer.record({ view: "compare", other: UNEDITED }, "push");
    this.explorer.beside.see("compare");
  }

  /** Goes to what an edit is of. @param {Edit} edit */
  show(edit) {
    const { site, layer } = edit;
    const head = edit.head === "all" ? this.explorer.head.head : edit.head;
    const place = edit.kind === "cut" ? { row: edit.query, col: edit.key } : {};
    this.explorer.go({ site, layer, head, ...place }, "push");
  }

  /** The answers before and now, and what each is worth. @returns {HTMLElement[]} */
  outcome() {
    if (this.failed) return [element("p", { class: "quiet small" }, t("editNoEffect", { detail: this.failed }))];
    const { effect } = this;
    if (!effect) return [];
    /** @param {string} text @param {string} [title] */
    const head = (text, title = "") => element("th", { scope: "col", title }, text);
    /** @param {string} name @param {string} text */
    const cell = (name, text) => element("td", { class: "tabular", data: { name: t(name) } }, text);
    const unit = t(effect.log ? "editLogShort" : "editShareShort");
    const measured = t(effect.log ? "editLog" : "editShare");
    const columns = [head(""), head(""), head(`${unit}, ${t("editUneditedPass")}`, measured), head(t("editEditedPass"), measured), head(t("editDifference"))];
    const rows = effect.lines.map(({ words, unedited: was, edited: is }, at) => {
      const name = t(effect.same ? "editSameAnswer" : at ? "editNow" : "editBefore");
      const marked = words.map(([word, changed]) =>
        changed ? element(at ? "ins" : "del", {}, word) : word,
      );
      const difference = was === null || is === null ? null : is - was;
      return element(
        "tr",
        {},
        element("th", { scope: "row" }, name),
        element("td", { class: "edit-answer", dir: "auto" }, ...marked),
        cell("editUneditedPass", figure(was)),
        cell("editEditedPass", figure(is)),
        cell("editDifference", difference !== null && difference > 0 ? `+${figure(difference)}` : figure(difference)),
      );
    });
    const table = element(
      "table",
      { class: "edit-effect", id: "edit-effect" },
      element("caption", { class: "unseen" }, measured),
      element("thead", {}, element("tr", {}, ...columns)),
      element("tbody", {}, ...rows),
    );
    return [table];
  }
}
