/** 7. Noise and attacks: a mistyped sentence beside the sentence, and curves of a job over many perturbations. */

import { runJob } from "../../api/jobs.js";
import { asError } from "../../api/request.js";
import { t } from "../../text/i18n.js";
import * as texts from "../../text/strings/lab/noise.js";
import { element } from "../../views/dom.js";
import { Chart } from "../chart.js";
import { button, Runner, slider } from "../controls.js";
import { CROSS, crossOf } from "../cross.js";
import { formula, row, sub } from "../formula.js";
import { Matrix } from "../matrix.js";
import { even, said, shuffled } from "../numbers.js";
import { Figure, Section } from "../section.js";
import { onSentence, sentence, sentenceField } from "../sentence.js";
import { translator } from "../service.js";

/** @typedef {import("../../studies/robustness.js").Row} Curve */
/** @typedef {import("../../studies/robustness.js").Interval} Interval */

const NAMES = ["typing_errors", "fgsm", "embedding_noise"];
const STRENGTHS = [0.05, 0.1, 0.2, 0.4];
const SEEDS = 5;
const MOST = 8; // swaps
const SOON = 200; // milliseconds: a slider that moves asks once it rests

/**
 * A text with pairs of neighbouring letters swapped.
 *
 * @param {string} text
 * @param {number} many
 * @param {number} seed
 */
export function swapped(text, many, seed) {
  const letters = [...text];
  const free = letters.map((_, at) => at).filter((at) => at % 2 === 0 && /\p{L}{2}/u.test(letters[at] + (letters[at + 1] ?? "")) && letters[at] !== letters[at + 1]);
  for (const place of shuffled(even(seed), free.length).slice(0, many)) {
    const at = free[place];
    [letters[at], letters[at + 1]] = [letters[at + 1], letters[at]];
  }
  return letters.join("");
}

class Noise extends Figure {
  constructor() {
    super();
    this.swaps = 2;
    this.seed = 1;
    this.model = "";
    this.timer = 0;
    /** @type {{source: string, cross: import("../cross.js").Crossed}[]} as it is, mistyped */
    this.sides = [];
    /** @type {Curve[]} */
    this.curves = [];
    /** @type {AbortController | null} of the job */
    this.job = null;
    this.maps = [new Matrix(), new Matrix()];
    this.words = [0, 1].map(() => element("p", { class: "measured" }));
    this.quality = new Chart();
    this.moved = new Chart();
    this.runner = new Runner(() => void this.run());
    const again = () => {
      clearTimeout(this.timer);
      this.timer = window.setTimeout(() => void this.measure(), SOON);
    };
    const swaps = slider("labSwaps", { min: 0, max: MOST, step: 1, value: this.swaps }, String, (value) => {
      this.swaps = value;
      again();
    });
    const other = button("labSwapAgain", () => {
      this.seed += 1;
      again();
    });
    this.charts = element("div", { class: "charts", hidden: true }, this.quality.root, this.moved.root);
    const halves = this.maps.map((map, at) => element("div", { class: "half" }, this.words[at], map.root));
    this.room.append(
      sentenceField(),
      element("div", { class: "controls" }, swaps, other),
      element("div", { class: "halves" }, ...halves),
      this.runner.root,
      this.charts,
    );
    onSentence(() => this.begun && again());
  }

  /** @override @param {AbortSignal} signal */
  async ask(signal) {
    const text = sentence();
    const { name } = await translator();
    const mistyped = swapped(text, this.swaps, this.seed);
    const plain = await crossOf(name, text, signal);
    const { layer, head } = plain;
    const sides = [{ source: text, cross: plain }, { source: mistyped, cross: await crossOf(name, mistyped, signal, { layer, head }) }];
    Object.assign(this, { sides, model: name });
  }

  /** The job; one that is under way is given up. */
  async run() {
    this.job?.abort();
    const job = (this.job = new AbortController());
    this.runner.told(0, 0);
    try {
      const { name } = await translator();
      const body = { kind: "robustness", model: name, inputs: [sentence()], perturbations: NAMES, strengths: STRENGTHS, seeds: SEEDS };
      const result = await runJob(body, job.signal, ({ progress: { done, of } }) => this.runner.told(done, of));
      this.curves = /** @type {{curves: Curve[]}} */ (result).curves;
      this.say(null);
      this.draw();
    } catch (error) {
      if (!job.signal.aborted) this.say(asError(error));
    } finally {
      if (job === this.job) this.runner.ended();
    }
  }

  /** @override */
  draw() {
    const { sides, curves } = this;
    for (const [at, { source, cross }] of sides.entries()) {
      const { text, layer, head, weights, rows, cols } = cross;
      this.words[at].textContent = at ? t("labMistyped", { source, text }) : t("labAsIs", { text });
      this.maps[at].show({ title: t("labCrossMap", { layer, head }), weights, rows, cols });
    }
    if (sides.length) this.source.textContent = t("lab_noise_source", { model: this.model, seeds: SEEDS });
    this.charts.hidden = !curves.length;
    if (!curves.length) return;
    /** @param {(row: Curve) => Interval | undefined} part */
    const lines = (part) =>
      NAMES.map((name) => {
        const found = STRENGTHS.map((strength) => curves.find((each) => each.perturbation === name && each.strength === strength));
        const side = (/** @type {keyof Interval} */ which) => found.map((each) => (each && part(each)?.[which]) ?? NaN);
        return { name: t(`labNoise_${name}`), y: side("mean"), low: side("low"), high: side("high") };
      });
    const axis = { x: t("labNoiseStrength"), places: STRENGTHS, writeX: (/** @type {number} */ x) => `${Math.round(100 * x)}%` };
    this.quality.show({ title: t("labNoiseQuality"), ...axis, range: [0, 1], lines: lines(({ agreement }) => agreement) });
    this.moved.show({ title: t("labNoiseMoved"), ...axis, lines: lines(({ divergence }) => divergence[CROSS]) });
    this.tell();
  }

  tell() {
    if (!this.shown || !this.curves.length) return;
    const strength = STRENGTHS.at(-1);
    const found = (/** @type {string} */ name) => this.curves.find((each) => each.perturbation === name && each.strength === strength);
    const [random, fgsm] = [found("embedding_noise"), found("fgsm")];
    const number = (/** @type {Interval | undefined} */ interval) => said(interval?.mean ?? NaN);
    const moved = { noiseMoved: number(random?.divergence[CROSS]), fgsmMoved: number(fgsm?.divergence[CROSS]) };
    this.told.textContent = t("lab_noise_told", { strength: `${100 * (strength ?? 0)}%`, noise: number(random?.agreement), fgsm: number(fgsm?.agreement), ...moved });
  }

  /** @override */
  async show() {
    this.shown = true;
    if (!this.curves.length) await this.run();
    this.tell();
  }

  /** @override @returns {import("../section.js").Link} */
  link() {
    return this.model ? { model: this.model, text: sentence(), site: CROSS, view: "robustness" } : { view: "robustness" };
  }
}

export function noise() {
  const size = row("‖", "e", "‖");
  const along = (/** @type {string} */ x) => row(sub(x, "i"), "/", "‖", sub(x, "i"), "‖");
  const formulas = [
    formula("FGSM", ":", sub("δ", "i"), "=", "−", "ε", size, along("g"), ",", sub("g", "i"), "=", row("∂", "log", "p"), "/", row("∂", sub("e", "i"))),
    formula("noise", ":", sub("δ", "i"), "=", "ε", size, along("u"), ",", sub("u", "i"), "∼", "N", "(", 0, ",", "I", ")"),
  ];
  return { section: new Section("noise", formulas, new Noise()), texts };
}
