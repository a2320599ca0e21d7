/** Whether what a measure ranks first is what this answer depends on: asked on demand, one line beside the measure. */

import { runJob } from "../api/jobs.js";
import { asError, isAbort, Problem } from "../api/request.js";
import { bodyOf } from "../input/draft.js";
import { FileSource } from "../source/file_source.js";
import { objectiveOf } from "../source/objectives.js";
import { t } from "../text/i18n.js";
import { announce } from "./controls.js";
import { element, setText } from "./dom.js";

/** @typedef {import("../source/session.js").Session} Session */
/** @typedef {import("../types.js").Measure} Measure */
/** @typedef {{z: number | null, fraction: number, verdict: string}} Chance of the measure beside random orders */
/** @typedef {{seeds: number, measures: {measure: string, degradation: Chance}[], undefined: {detail: string}[]}} Result */
/** @typedef {{words: string, good: boolean}} Verdict */

const BETTER = "better than chance";

/** @param {Result} result @returns {Verdict} of the one measure that was asked about */
function verdictOf({ seeds, measures, undefined: lacking }) {
  if (!measures.length) return { words: lacking[0]?.detail ?? t("faithfulUnknown"), good: false };
  const { z, fraction, verdict } = measures[0].degradation;
  const good = verdict === BETTER;
  const values = { z: z === null ? "0" : Math.abs(z).toFixed(1), beaten: Math.floor(fraction * seeds), seeds };
  return { words: t(good ? "faithfulGood" : z !== null && z < 0 ? "faithfulWorse" : "faithfulChance", values), good };
}

export class Faithful {
  /** @param {import("../explorer.js").Explorer} explorer */
  constructor(explorer) {
    this.explorer = explorer;
    /** @type {Measure | null} */
    this.measure = null;
    /** @type {WeakMap<Session, Map<string, Verdict>>} */
    this.known = new WeakMap();
    /** @type {{controller: AbortController, name: string, session: Session, share: string} | null} the job under way */
    this.running = null;
    /** @type {string} what went wrong */
    this.trouble = "";
    this.line = element("span", { class: "small tabular", id: "faithful", role: "status" });
    this.button = element("button", { type: "button", class: "small", id: "faithful-ask", on: { click: () => this.press() } });
    this.told = element("span", { class: "quiet small tabular", id: "faithful-told" });
    this.panel = element("p", { class: "faithful" }, this.button, " ", this.told);
  }

  /** By what a verdict is kept. */
  get name() {
    return this.measure ? `${this.measure.name}/${this.measure.objective ? this.explorer.state.objective : ""}` : "";
  }

  translate() {
    this.button.title = t("faithfulTitle");
    this.show(this.measure);
  }

  /** @param {Measure | null} measure the one on show; null: none can be asked about */
  show(measure) {
    this.measure = measure;
    const { session } = this.explorer;
    if (this.running && this.running.session !== session) this.stop();
    const verdict = (session && this.known.get(session)?.get(this.name)) ?? null;
    const here = this.running?.name === this.name ? this.running : null;
    const served = session !== null && !(session.source instanceof FileSource) && !session.lacksMedia();
    this.panel.hidden = !measure || !served;
    setText(this.button, t(here ? "faithfulStop" : verdict ? "faithfulAgain" : "faithfulAsk"));
    setText(this.told, here ? here.share : verdict ? verdict.words : this.trouble || t("faithfulCost"));
    setText(this.line, here ? t("faithfulRunning", { share: here.share }) : verdict ? `${verdict.good ? "✓" : "⚠"} ${verdict.words}` : "");
    this.line.classList.toggle("doubtful", verdict !== null && !verdict.good);
  }

  press() {
    if (this.running?.name === this.name) return this.stop();
    this.stop();
    this.ask();
  }

  /** Gives up what is under way. */
  stop() {
    this.running?.controller.abort();
    this.running = null;
    this.show(this.measure);
  }

  async ask() {
    const { session, state } = this.explorer;
    const { measure, name } = this;
    if (!session || !measure) return;
    const controller = new AbortController();
    const running = (this.running = { controller, name, session, share: "…" });
    this.trouble = "";
    this.show(measure);
    const { model, inputs, parameters = {} } = bodyOf(session.draft, session.model);
    const objective = measure.objective ? { objective: objectiveOf(session, state.objective) } : {};
    const body = { kind: "faithfulness", model, inputs: [inputs], parameters, measures: [measure.name], ...objective };
    /** @param {object} more */
    const run = (more) =>
      runJob({ ...body, ...more }, controller.signal, ({ progress: { done, of } }) => {
        running.share = of ? `${Math.round((100 * done) / of)}%` : "…";
        if (this.running === running) this.show(this.measure);
      });
    try {
      const result = await run({}).catch((error) => {
        // A family that computes attention by itself lets nothing be cut: there tokens are replaced.
        if (error instanceof Problem && error.path === "removal") return run({ removal: "replace" });
        throw error;
      });
      const all = this.known.get(session) ?? new Map();
      const verdict = verdictOf(/** @type {Result} */ (result));
      this.known.set(session, all.set(name, verdict));
      announce(verdict.words);
    } catch (error) {
      if (!isAbort(error)) this.trouble = asError(error).message;
    } finally {
      if (this.running === running) this.running = null;
      this.show(this.measure);
    }
  }
}
