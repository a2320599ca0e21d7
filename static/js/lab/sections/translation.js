/** 5. Translation: the recurrent model with its additive score beside the Transformer, on the reader's sentence. */

import { asError } from "../../api/request.js";
import { t } from "../../text/i18n.js";
import { Told } from "../../text/problems.js";
import * as texts from "../../text/strings/lab/translation.js";
import { element } from "../../views/dom.js";
import { Chart } from "../chart.js";
import { Runner, table } from "../controls.js";
import { CROSS, crossOf } from "../cross.js";
import { BEFORE, byDistance, FILLER } from "../distance.js";
import { formula, over, root, row, sub, sup } from "../formula.js";
import { Matrix } from "../matrix.js";
import { entropy, mean, said } from "../numbers.js";
import { Figure, Section } from "../section.js";
import { onSentence, sentence, sentenceField } from "../sentence.js";
import { modelNamed, translator } from "../service.js";

/** @typedef {import("../cross.js").Crossed & {count: number}} Side count: of the model's weights */

const ANCESTOR = "de-en-gru";

/** Where in the source the largest weight of a row stands, in code points; NaN of what stands for no character. @param {Side} side @param {number} at */
function looked({ summary, weights: lines }, at) {
  const line = lines[at];
  const [start, stop] = summary.axes.source.spans[line.indexOf(Math.max(...line))];
  return stop > start ? start : NaN;
}

/**
 * Tokens that both wrote, once each, in their order; and how many of them both wrote from the same place of the source.
 *
 * @param {Side} a
 * @param {Side} b
 */
export function agreement(a, b) {
  const [first, second] = [a, b].map(({ summary }) => summary.axes.target);
  const free = new Set(second.labels.keys());
  let [n, same] = [0, 0];
  for (const [at, text] of first.labels.entries()) {
    const other = [...free].find((place) => second.labels[place] === text);
    if (other === undefined || first.special[at]) continue;
    free.delete(other);
    n += 1;
    if (looked(a, at) === looked(b, other)) same += 1;
  }
  return { n, same };
}

class Translation extends Figure {
  constructor() {
    super();
    /** @type {Side[]} the ancestor, the Transformer */
    this.sides = [];
    this.maps = [new Matrix(), new Matrix()];
    this.words = [0, 1].map(() => element("p", { class: "sentence" }));
    this.table = element("div", { class: "scroll measured" });
    /** @type {{names: string[], values: number[][]} | null} */
    this.far = null;
    /** @type {AbortController | null} of the measurement by distance */
    this.going = null;
    this.runner = new Runner(() => void this.go());
    this.distance = new Chart();
    this.distance.root.hidden = true;
    this.explained = element("p", { class: "small quiet" });
    const halves = this.maps.map((map, at) => element("div", { class: "half" }, this.words[at], map.root));
    this.room.append(sentenceField(), element("div", { class: "halves" }, ...halves), this.table, this.explained, this.runner.root, this.distance.root);
    onSentence(() => this.begun && void this.measure());
  }

  /** @override @param {AbortSignal} signal */
  async ask(signal) {
    const text = sentence();
    const [ancestor, transformer] = [await modelNamed(ANCESTOR), await translator()];
    if (!ancestor) throw new Told("labNoModel", { model: ANCESTOR });
    const sides = [];
    for (const model of [ancestor, transformer]) sides.push(await this.side(model, text, signal));
    this.sides = sides;
  }

  /** @param {import("../../types.js").Model} model @param {string} text @param {AbortSignal} signal @returns {Promise<Side>} */
  async side(model, text, signal) {
    return { ...(await crossOf(model.name, text, signal)), count: model.parameter_count ?? NaN };
  }

  /** Both models on the sentence after more and more others; one that is under way is given up. */
  async go() {
    this.going?.abort();
    const { signal } = (this.going = new AbortController());
    const models = this.sides.map(({ summary }) => summary.model);
    const all = models.length * BEFORE.length;
    let done = 0;
    this.runner.told(0, all);
    try {
      const text = sentence();
      const values = [];
      for (const model of models) values.push(await byDistance(model, text, signal, () => this.runner.told((done += 1), all)));
      this.far = { names: models, values };
      this.say(null);
      this.draw();
    } catch (error) {
      if (!signal.aborted) this.say(asError(error));
    } finally {
      if (!signal.aborted) this.runner.ended();
    }
  }

  drawDistance() {
    const { far } = this;
    this.explained.textContent = t("labDistanceText", { filler: FILLER });
    this.distance.root.hidden = !far;
    if (!far) return;
    const lines = far.names.map((name, at) => ({ name, y: far.values[at] })).toReversed(); // the Transformer in the accent
    this.distance.show({ title: t("labDistanceTitle"), x: t("labDistanceX"), places: BEFORE, lines });
  }

  /** @override */
  draw() {
    const { sides } = this;
    if (sides.length < 2) return;
    const rows = [];
    for (const [at, side] of sides.entries()) {
      const { summary, weights: lines, layer, head, text } = side;
      const title = t(at ? "labTranslator_scaled" : "labTranslator_additive", { layer, head });
      this.words[at].textContent = t("labTranslates", { model: summary.model, text });
      this.maps[at].show({ title, weights: lines, rows: side.rows, cols: side.cols });
      const most = mean(lines.map((line) => Math.max(...line)));
      rows.push([summary.model, said(side.count / 1e6) + " M", said(summary.objective?.value ?? NaN), said(mean(lines.map(entropy))), said(most)]);
    }
    const head = ["labModel", "labWeights", "labScoreWritten", "labMeanEntropy", "labMeanMost"].map((name) => t(name));
    this.table.replaceChildren(table(t("labBoth"), head, rows));
    this.source.textContent = t("lab_translation_source");
    this.drawDistance();
    this.tell();
  }

  tell() {
    const [first, second] = this.sides;
    if (!first || !second || !this.shown) return;
    const [a, b] = [first, second].map(({ weights: lines }) => said(mean(lines.map(entropy))));
    this.told.textContent = t("lab_translation_told", { a, b, first: first.summary.model, second: second.summary.model, ...agreement(first, second) });
  }

  /** @override */
  async show() {
    this.shown = true;
    if (!this.sides.length) await this.measure();
    this.tell();
  }

  /** @override @returns {import("../section.js").Link} */
  link() {
    const [first, second] = this.sides;
    if (!first || !second) return {};
    const { layer, head, summary } = second;
    const other = `${first.summary.id}.${first.layer}.${first.head}`;
    return { model: summary.model, text: sentence(), site: CROSS, layer, head, view: "compare", other };
  }
}

export function translation() {
  const additive = row(sup("v", "⊤"), "tanh", "(", sub("W", "q"), "q", "+", sub("W", "k"), "k", ")");
  const formulas = [
    formula(sub("score", "GRU"), "=", additive),
    formula(sub("score", "Transformer"), "=", over(row(sup(row("(", sub("W", "q"), "q", ")"), "⊤"), sub("W", "k"), "k"), root("d"))),
  ];
  return { section: new Section("translation", formulas, new Translation()), texts };
}
