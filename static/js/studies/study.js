/** A view whose content is a job's result, about the input on show; kept as long as that is. */

import { bodyOf } from "../input/draft.js";
import { t } from "../text/i18n.js";
import { element } from "../views/dom.js";
import { JobPanel } from "../views/job.js";
import { theme } from "../preferences.js";
import { Sheet, turnTo } from "./sheet.js";

/** @typedef {import("../source/session.js").Session} Session */
/** @typedef {import("../types.js").State} State */

/** @template Result */
export class Study extends Sheet {
  /** @param {State["view"]} view @param {import("../explorer.js").Explorer} explorer */
  constructor(view, explorer) {
    super(view, explorer);
    /** @type {WeakMap<Session, Result>} so that a look at another answer loses none */
    this.results = new WeakMap();
    this.theme = theme();
    this.about = element("p", { class: "quiet small" });
    this.settings = element("div", { class: "study-settings" });
    this.result = element("div", { class: "study-result", hidden: true });
    this.job = new JobPanel({
      body: () => this.asked(),
      done: (result) => this.came(result),
      found: () => this.found !== null,
      name: () => t(this.found ? "jobAgain" : `${view}Run`),
    });
    this.body.append(this.about, this.settings, this.job.root, this.result);
  }

  /** What the job is asked. @returns {object} */
  asked() {
    return {};
  }

  /** Shows a result. @param {Result} result */
  print(result) {
    this.result.hidden = !result;
  }

  /** @returns {Result | null} of the session on show */
  get found() {
    return (this.session && this.results.get(this.session)) ?? null;
  }

  /** The input on show as requests have it. */
  get inputs() {
    return this.session ? bodyOf(this.session.draft, this.session.model).inputs : "";
  }

  /** What every job is asked: model, input and options. */
  get request() {
    const { session } = this;
    if (!session) return {};
    const { inputs, parameters = {} } = bodyOf(session.draft, session.model);
    return { model: session.summary.model, inputs: [inputs], parameters };
  }

  /** @override @param {Session} session */
  lack(session) {
    return super.lack(session) || (session.lacksMedia() ? "studyNoFile" : "");
  }

  /** @override @param {Session | null} session */
  taken(session) {
    super.taken(session);
    this.job.forget();
  }

  /** @override */
  opened() {
    if (!this.reason()) return;
    this.job.translate();
    const { found } = this;
    this.result.hidden = !found;
    if (found) this.print(found);
  }

  /** @param {Result} result */
  came(result) {
    if (!this.session) return;
    this.results.set(this.session, result);
    if (this.active) this.opened();
  }

  /** The colours are others. */
  changed() {
    if (this.theme === theme()) return;
    this.theme = theme();
    if (this.active && this.found) this.print(this.found);
  }

  /** @override */
  translate() {
    super.translate();
    this.about.textContent = t(`${this.view}About`);
    this.job.translate();
    if (this.active && this.found) this.print(this.found);
  }

  /** Opens and closes it, for a key. */
  turn() {
    turnTo(this.explorer, this.view);
  }
}

/** A table; numbers stand at the right. @param {string} caption @param {(Node | string)[]} head @param {(Node | string)[][]} rows */
export function tableOf(caption, head, rows) {
  /** @param {(Node | string)[]} cells */
  const line = (cells) =>
    element("tr", {}, ...cells.map((cell, at) => (at ? element("td", {}, cell) : element("th", { scope: "row" }, cell))));
  const titles = element("tr", {}, ...head.map((cell) => element("th", { scope: "col" }, cell)));
  return element(
    "table",
    { class: "study-table tabular" },
    element("caption", { class: "caption" }, caption),
    element("thead", {}, titles),
    element("tbody", {}, ...rows.map(line)),
  );
}
