/** The menu of measures of cells, what the chosen one declares, and what its gradients are of. */

import { showUnit } from "../map/legend.js";
import { lacks, measuresOf, possible, refusal, whyNoObjective } from "../source/choose.js";
import { choicesOf, isObjective, writtenBy } from "../source/objectives.js";
import { known, t } from "../text/i18n.js";
import { measureName } from "../text/measures.js";
import { closeOutside, step } from "./controls.js";
import { byId, element } from "./dom.js";
import { Faithful } from "./faithful.js";
import { sayUnread } from "./unread.js";

/** @typedef {import("../source/session.js").Session} Session */
/** @typedef {import("../types.js").Measure} Measure */
/** @typedef {import("../types.js").State} State */

const WEIGHTS = "weights";
const DECLARED = /** @type {(keyof Measure)[]} */ (["formula", "range", "source", "cost", "where", "example"]);

/** @implements {Pick<import("../features.js").Feature, "translate" | "changed" | "answered" | "use" | "keep" | "keys">} */
export class Measures {
  /** @param {import("../features.js").Page} page */
  constructor({ explorer }) {
    this.explorer = explorer;
    /** @type {Measure[]} of cells, as the trace's service or the page declares them */
    this.list = [];
    /** @type {Session | null} whose they are */
    this.listed = null;
    this.site = ""; // whose menu it is
    this.drawn = ""; // the measure that legend and reading are of; empty: the weights
    this.select = element("select", { id: "measure", on: { change: () => this.choose(this.select.value) } });
    this.name = element("span", { class: "unseen" });
    this.of = element("select", { id: "objective", on: { change: () => this.aim(this.of.value) } });
    this.row = element("button", { type: "button", class: "plain small", id: "objective-row", on: { click: () => this.aimAtRow() } });
    this.aims = element("span", { class: "inline", id: "objective-field", hidden: true }, this.of, this.row);
    this.faithful = new Faithful(explorer);
    this.note = element("span", { class: "small", id: "measure-note", role: "status" });
    this.summary = element("summary", { id: "measure-summary" });
    this.panel = element("div", { class: "menu-list", id: "measure-panel" });
    this.about = element("details", { class: "menu", id: "measure-about" }, this.summary, this.panel);
    closeOutside(this.about);
    this.about.addEventListener("keydown", ({ key }) => {
      if (key !== "Escape" || !this.about.open) return;
      this.about.open = false;
      this.summary.focus();
    });
    const field = element("label", { class: "inline" }, this.name, this.select);
    this.root = element("div", { class: "measure", id: "measure-field" }, field, this.about, this.aims, this.note, this.faithful.line);
    byId("now").after(this.root);
    this.keys = { keyMeasure: () => this.next() };
  }

  /** The state's measure, as the list has it. */
  get chosen() {
    const { measure } = this.explorer.state;
    return this.list.find(({ name }) => name === (measure || WEIGHTS)) ?? null;
  }

  /** Whether a measure can be on show at the state's site. @param {Measure} measure */
  possible(measure) {
    const { session, state } = this.explorer;
    return session !== null && possible(session, measure, state.site);
  }

  /** @param {string} name of a measure */
  choose(name) {
    this.explorer.go({ measure: name === WEIGHTS ? "" : name }, "push");
  }

  /** The next measure that can be on show. */
  next() {
    const list = this.list.filter((measure) => this.possible(measure));
    if (this.chosen && list.length > 1) this.choose(step(list, this.chosen, 1).name);
  }

  /** Another objective. @param {string} objective its name in links */
  aim(objective) {
    this.explorer.go({ objective }, "push");
  }

  /** The objective is the token that the kept cell's row writes. */
  aimAtRow() {
    const { session, state, kept } = this.explorer;
    const token = session && writtenBy(session, state.site, kept.row);
    if (token) this.aim(token);
  }

  /** Another answer: other measures may be defined. @param {Session | null} session */
  async answered(session) {
    this.root.hidden = session === null;
    if (!session || session === this.listed) return;
    const list = await measuresOf(session).catch(() => []); // an older service knows weights alone
    if (session !== this.explorer.session) return;
    this.listed = session;
    this.list = list;
    this.translate();
  }

  /** In the page's language. */
  translate() {
    this.name.textContent = t("measure");
    this.select.title = t("measure");
    this.summary.textContent = t("measureAbout");
    this.summary.title = t("measureAboutTitle");
    this.of.title = t("objectiveTitle");
    this.of.setAttribute("aria-label", t("objectiveTitle"));
    this.row.textContent = t("objectiveRow");
    this.row.title = t("objectiveRowTitle");
    this.faithful.translate();
    this.fill();
    this.changed(this.explorer.state);
  }

  /** The menus. */
  fill() {
    const { session, state } = this.explorer;
    const names = this.list.length ? this.list : [{ name: WEIGHTS }, ...(state.measure ? [{ name: state.measure }] : [])];
    this.select.replaceChildren(
      ...names.map((measure) => {
        const why = "kind" in measure && !this.possible(measure) ? lacks(measure, state.site) : null;
        const option = element("option", { value: measure.name, disabled: why !== null }, measureName(measure.name));
        if (why !== null) option.title = why;
        return option;
      }),
    );
    const whole = t("objectiveWhole");
    const choices = session ? choicesOf(session) : [];
    this.of.replaceChildren(...[["", whole], ...choices].map(([value, name]) => element("option", { value, dir: "auto" }, name)));
  }

  /** What a link says and the answer on show has not: it falls back to its default, and the page says so. */
  mend() {
    const { session, state } = this.explorer;
    if (!session || session !== this.listed || !this.list.length) return;
    const { measure, objective } = state;
    const listed = !measure || this.list.some(({ name }) => name === measure);
    const aimed = isObjective(session, objective);
    if (listed && aimed) return;
    this.explorer.record({ ...(listed ? {} : { measure: "" }), ...(aimed ? {} : { objective: "" }) }, "replace");
    sayUnread([...(listed ? [] : [`measure=${measure}`]), ...(aimed ? [] : [`objective=${objective}`])]);
  }

  /** The state is another one. @param {State} state */
  changed(state) {
    queueMicrotask(() => this.mend()); // once everybody has the state as it is
    if (this.site !== state.site) this.fill(); // a measure may be defined at one site alone
    this.site = state.site;
    this.select.value = state.measure || WEIGHTS;
    this.of.value = state.objective;
    const aims = Boolean(this.chosen?.objective) || state.rail === "effects" || state.sort === "effect";
    const { session } = this.explorer;
    this.aims.hidden = !aims || !session || whyNoObjective(session) !== null || this.of.options.length < 2;
    this.legend();
    this.reading();
    this.describe();
  }

  /** Another map is on show. */
  use() {
    const name = this.unit?.name ?? "";
    if (name === this.drawn) return this.changed(this.explorer.state);
    this.drawn = name;
    this.explorer.changed(this.explorer.state); // legend and reading are those of weights again, or no longer
  }

  /** Another cell is kept: its row may write another token. */
  keep() {
    const { session, state, kept } = this.explorer;
    this.row.hidden = !session || writtenBy(session, state.site, kept.row) === null;
  }

  /** What the map on show has for values; of weights nothing. */
  get unit() {
    const { measured, state } = this.explorer;
    return measured?.unitOf(state.site, this.explorer.head);
  }

  /** The colours' scale of a measure, over that of the weights. */
  legend() {
    const { palette } = this.explorer.state;
    if (this.unit) showUnit(this.unit, palette, this.explorer.scale());
  }

  /** How to read what has a sign. */
  reading() {
    const { unit } = this;
    if (unit) byId("reading-text").textContent = t(unit.signed ? "readingSigned" : "readingSize");
  }

  /** What the measure declares, and why others are not to be had. */
  describe() {
    const { explorer, chosen } = this;
    const { session, state } = explorer;
    const why = session && state.measure ? refusal(session, state) : null;
    this.note.textContent = why === null ? "" : `⚠ ${t("measureNotHere", { name: measureName(state.measure), why })}`;
    this.root.classList.toggle("refused", why !== null);
    this.faithful.show(why === null ? chosen : null);
    if (!chosen || !session) return this.panel.replaceChildren();
    const text = `measureSays_${chosen.name}`;
    const lines = DECLARED.filter((name) => chosen[name]).flatMap((name) => [
      element("dt", {}, t(`declared_${name}`)),
      element("dd", { lang: "en", class: name === "formula" ? "token" : "" }, String(chosen[name])),
    ]);
    const others = this.list.filter((measure) => !this.possible(measure));
    const asks = chosen.objective && lacks(chosen, state.site) !== null;
    this.panel.replaceChildren(
      element("h2", {}, measureName(chosen.name)),
      element("p", {}, known(text) ? t(text) : chosen.description),
      element("dl", { class: "declared" }, ...lines, element("dt", {}, t("declared_sign")), element("dd", {}, t(chosen.signed ? "signBoth" : "signNone"))),
      ...(asks ? [element("p", { class: "quiet small" }, t("objectiveAsks"))] : []),
      this.faithful.panel,
      ...others.map((measure) =>
        element("p", { class: "quiet small" }, t("measureNotHere", { name: measureName(measure.name), why: this.whyNot(measure) })),
      ),
    );
  }

  /** Why a measure is not to be had. @param {Measure} measure */
  whyNot(measure) {
    const { session, state } = this.explorer;
    const wants = measure.sites?.some(({ site, objective }) => site === state.site && objective);
    return (wants && session && whyNoObjective(session)) || (lacks(measure, state.site) ?? "");
  }
}
