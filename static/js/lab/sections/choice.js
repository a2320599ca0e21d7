/** Which score to choose: three tiny models of equal size, trained in the page on the same draws. */

import { t } from "../../text/i18n.js";
import * as texts from "../../text/strings/lab/choice.js";
import { element } from "../../views/dom.js";
import { Chart } from "../chart.js";
import { choice as chooser, Runner, table } from "../controls.js";
import { formula, over, root, row, sub, sup } from "../formula.js";
import { even, said } from "../numbers.js";
import { Figure, Section } from "../section.js";
import { modelNamed } from "../service.js";
import { Learner, task } from "../training.js";

/** @typedef {import("../training.js").Kind} Kind */
/** @typedef {{kind: Kind, count: number, loss: number[], found: number, seconds: number}} Learnt seconds: of all its steps */

/** @type {Kind[]} */
const KINDS = ["scaled", "dot", "additive"];
const HIDDEN = ["16", "64", "128"];
const STEPS = 300;
const EVERY = 10; // steps between two points of a line
const BATCH = 16;
const HELD = 128; // examples that are looked at alone
const SHARE = 12; // milliseconds of work before the page may draw
const ADDITIVE = "de-en-gru";

class Choice extends Figure {
  constructor() {
    super();
    this.auto = false;
    this.hidden = 64;
    this.seed = 0;
    this.additive = false; // whether the model to go on with is served
    /** @type {Learnt[]} */
    this.learnt = [];
    this.trained = 0; // width of what is on show
    this.runner = new Runner(() => void this.measure());
    this.loss = new Chart();
    this.table = element("div", { class: "scroll measured" });
    const widths = chooser("labHidden", HIDDEN, (name) => `labHidden_${name}`, String(this.hidden), (name) => (this.hidden = Number(name)));
    for (const label of widths.querySelectorAll("span")) {
      label.textContent = (label.dataset.t ?? "").replace(/\D/g, "");
      delete label.dataset.t;
    }
    const named = element("div", { class: "inline small" }, element("span", { data: { t: "labHidden" } }), widths);
    this.runner.root.prepend(named);
    this.charts = element("div", { class: "charts", hidden: true }, this.loss.root, this.table);
    this.room.append(this.runner.root, this.charts);
  }

  /** @override @param {AbortSignal} signal */
  async ask(signal) {
    const { hidden } = this;
    const seed = this.seed + 1;
    const draws = task(even(seed));
    const held = draws(HELD);
    const learners = KINDS.map((kind) => new Learner(kind, hidden, even(seed + 1)));
    /** @type {Learnt[]} */
    const learnt = learners.map(({ kind, count }) => ({ kind, count, loss: [], found: 0, seconds: 0 }));
    let rested = performance.now();
    for (let step = 0; step <= STEPS; step += 1) {
      if (step % EVERY === 0) {
        for (const [at, learner] of learners.entries()) {
          const { loss, found } = learner.look(held);
          learnt[at].loss.push(loss);
          learnt[at].found = found;
        }
        this.runner.told(step, STEPS);
      }
      const examples = draws(BATCH); // the same for all three
      for (const [at, learner] of learners.entries()) {
        const began = performance.now();
        learner.step(examples);
        learnt[at].seconds += (performance.now() - began) / 1000;
      }
      if (performance.now() - rested < SHARE) continue;
      await new Promise((resolve) => setTimeout(resolve));
      signal.throwIfAborted();
      rested = performance.now();
    }
    this.runner.ended();
    this.additive = Boolean(await modelNamed(ADDITIVE).catch(() => undefined));
    Object.assign(this, { learnt, seed, trained: hidden });
  }

  /** @override */
  draw() {
    const { learnt } = this;
    this.charts.hidden = !learnt.length;
    if (!learnt.length) return;
    const places = learnt[0].loss.map((_, at) => at * EVERY);
    const lines = learnt.map(({ kind, loss }) => ({ name: t(`labScore_${kind}`), y: loss }));
    this.loss.show({ title: t("labLoss"), x: t("labSteps"), places, lines });
    const rows = learnt.map(({ kind, count, loss, found, seconds }) => [t(`labScore_${kind}`), String(count), said(loss.at(-1) ?? NaN), said(found), said(seconds, 2)]);
    this.table.replaceChildren(table(t("labChoiceTable"), [t("labScore"), t("labWeights"), t("labLossColumn"), t("labFound"), t("labSeconds")], rows));
    this.source.textContent = t("lab_choice_source", { steps: STEPS, batch: BATCH, seed: this.seed, held: HELD });
    this.tell();
  }

  tell() {
    const { learnt, shown, trained } = this;
    if (!learnt.length || !shown) return;
    const list = (/** @type {(each: Learnt) => number} */ of) =>
      learnt.map((each) => t("lab_choice_one", { score: t(`labScore_${each.kind}`), value: said(of(each)) })).join(", ");
    this.told.textContent = t("lab_choice_told", { steps: STEPS, hidden: trained, list: list(({ found }) => found), start: list(({ loss }) => loss[0]) });
  }

  /** @override */
  async show() {
    this.shown = true;
    if (!this.learnt.length) await this.measure();
    this.tell();
  }

  /** @override */
  link() {
    return this.additive ? { model: ADDITIVE } : {};
  }
}

export function choice() {
  const side = (/** @type {string} */ x) => row(sub("W", x), x);
  const product = row(sup(row("(", side("q"), ")"), "⊤"), side("k"));
  const formulas = [
    formula(product),
    formula(over(row(sup(row("(", side("q"), ")"), "⊤"), side("k")), root("d"))),
    formula(sup("v", "⊤"), "tanh", "(", side("q"), "+", side("k"), "+", "b", ")"),
    formula("loss", "=", "−", "ln", sub("w", "right")),
  ];
  return { section: new Section("choice", formulas, new Choice()), texts };
}
