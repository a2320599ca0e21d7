/** 4. Masks over the same queries and keys, and what a shuffled sentence does to the encoder's maps: positions. */

import { weights } from "../../api/routes.js";
import { t } from "../../text/i18n.js";
import { Told } from "../../text/problems.js";
import * as texts from "../../text/strings/lab/masks.js";
import { element } from "../../views/dom.js";
import { button, choice, slider } from "../controls.js";
import { labelsOf, rowsOf } from "../cross.js";
import { Chart } from "../chart.js";
import { formula, over, row, sub, sum } from "../formula.js";
import { Matrix } from "../matrix.js";
import { apart, entropy, even, mean, moved, normal, said, shuffled } from "../numbers.js";
import { byDistance, DISTANCES, FROM } from "../positions.js";
import { Figure, Section } from "../section.js";
import { onSentence, sentence, sentenceField } from "../sentence.js";
import { attend, traceOf, translator } from "../service.js";
import { follow, shuffleWords } from "../shuffle.js";

const LENGTH = 12; // queries and keys under the masks
const WIDTH = 8;
const TRIES = 20; // orders that are tried for one whose words are cut into the same tokens
const MASKS = ["none", "causal", "window"];
const LAYER = 0; // where words are nearest to what was read

/** @typedef {{plain: number[][], back: number[][], text: string, labels: string[], model: string, mean: number, all: number}} Shuffle */

/** A map whose rows and columns stand where a list says. @param {number[][]} lines @param {number[]} map */
const reordered = (lines, map) => map.map((from) => map.map((to) => lines[from][to]));

/** The weight that lies elsewhere, mean over the rows. @param {number[][]} a @param {number[][]} b */
const elsewhere = (a, b) => mean(a.map((line, at) => moved(line, b[at])));

/** @param {number[][]} lines @returns {[number[], number[]]} */
const pair = ([a, b]) => [a, b];

class Masks extends Figure {
  constructor() {
    super();
    this.mask = "causal";
    this.size = 4;
    this.seed = 1;
    this.head = 0;
    /** @type {number[][] | null} */
    this.masked = null;
    /** @type {(Shuffle & {asked: string}) | null} */
    this.order = null;
    this.operator = NaN;
    const draw = even(7);
    this.queries = normal(draw, LENGTH, WIDTH);
    this.keys = normal(draw, LENGTH, WIDTH);
    this.map = new Matrix();
    this.facts = element("p", { class: "small tabular measured" });
    const again = () => void this.measure();
    const kinds = choice("labMask", MASKS, (name) => `labMask_${name}`, this.mask, (name) => {
      this.mask = name;
      this.window.hidden = name !== "window";
      again();
    });
    this.window = slider("labWindow", { min: 1, max: LENGTH, step: 1, value: this.size }, String, (value) => {
      this.size = value;
      again();
    });
    this.window.hidden = true;
    const other = button("labShuffle", () => {
      this.seed += 1;
      again();
    });
    this.plain = new Matrix();
    this.back = new Matrix();
    this.words = element("p", { class: "measured" });
    /** @type {Awaited<ReturnType<typeof byDistance>> | null} */
    this.distance = null;
    this.added = new Chart();
    this.rotary = new Chart();
    this.room.append(
      element("div", { class: "controls" }, kinds, this.window),
      element("div", { class: "halves" }, this.map.root, this.facts),
      sentenceField(),
      element("div", { class: "controls" }, this.words, other),
      element("div", { class: "halves" }, this.plain.root, this.back.root),
      element("div", { class: "charts" }, this.added.root, this.rotary.root),
    );
    onSentence(() => this.begun && again());
  }

  /** Whether a query sees a key. @param {number} query @param {number} key */
  visible(query, key) {
    if (this.mask === "causal") return key <= query;
    return this.mask === "none" || Math.abs(query - key) < this.size;
  }

  /** @override @param {AbortSignal} signal */
  async ask(signal) {
    const { queries, keys } = this;
    const mask = this.mask === "window" ? { kind: "sliding_window", size: this.size } : this.mask;
    this.masked = (await attend({ queries, keys, mask }, signal)).weights;
    const order = shuffled(even(this.seed), LENGTH);
    const pick = (/** @type {number[][]} */ lines) => order.map((at) => lines[at]);
    const [plain, mixed] = await Promise.all([attend({ queries, keys }, signal), attend({ queries: pick(queries), keys: pick(keys) }, signal)]);
    this.operator = elsewhere(reordered(plain.weights, order), mixed.weights);
    this.distance ??= await byDistance(signal);
    this.draw();
    const asked = JSON.stringify([sentence(), this.seed]);
    if (this.order?.asked === asked) return;
    this.order = null;
    this.order = { ...(await this.shuffle(signal)), asked };
  }

  /** The sentence and its words in another order, through the translator. @param {AbortSignal} signal @returns {Promise<Shuffle>} */
  async shuffle(signal) {
    const text = sentence();
    const { name } = await translator();
    const plain = await traceOf(name, text);
    const draw = even(this.seed);
    for (let tries = 0; tries < TRIES; tries += 1) {
      const made = shuffleWords(text, draw);
      if (made.text === text) continue;
      const other = await traceOf(name, made.text);
      signal.throwIfAborted();
      const { axes, sites } = plain;
      const site = sites.find((each) => each.name === "encoder");
      const map = follow(axes.source, other.axes.source, made.from, made.to);
      if (!map || !site) continue;
      const tokens = map.length;
      const layers = Array.from({ length: site.layers }, (_, layer) => layer);
      /** @param {string} id */
      const every = async (id) => Promise.all(layers.map((layer) => weights(id, "encoder", layer, "all", signal)));
      const [a, b] = await Promise.all([every(plain.id), every(other.id)]);
      const part = (/** @type {Float32Array} */ flat, /** @type {number} */ head) => rowsOf(flat, tokens, tokens, head * tokens * tokens);
      const heads = Array.from({ length: site.heads }, (_, head) => head);
      const far = layers.map((layer) => heads.map((head) => elsewhere(part(a[layer], head), reordered(part(b[layer], head), map))));
      this.head = far[LAYER].indexOf(Math.max(...far[LAYER]));
      return {
        plain: part(a[LAYER], this.head),
        back: reordered(part(b[LAYER], this.head), map),
        text: made.text,
        labels: labelsOf(plain, "source"),
        model: name,
        mean: far[LAYER][this.head],
        all: mean(far.flat()),
      };
    }
    throw new Told("labNoShuffle");
  }

  /** @override */
  draw() {
    const { masked, order } = this;
    if (!masked) return;
    const visible = (/** @type {number} */ query, /** @type {number} */ key) => this.visible(query, key);
    this.map.show({ title: t("labMaskMap", { mask: t(`labMask_${this.mask}`) }), weights: masked, visible });
    const seen = (/** @type {number} */ at) => masked[at].filter((weight) => weight > 0).length;
    const error = Math.max(...masked.map((line) => Math.abs(line.reduce((total, weight) => total + weight, 0) - 1)));
    const facts = { first: seen(0), last: seen(LENGTH - 1), error: said(error, 1), entropy: said(mean(masked.map(entropy))) };
    this.facts.textContent = t("labMaskFacts", facts);
    this.drawDistance();
    if (!order) return;
    const { plain, back, labels, model, text } = order;
    this.plain.show({ title: t("labOrder", { model, layer: LAYER, head: this.head }), weights: plain, rows: labels, cols: labels });
    this.back.show({ title: t("labShuffled"), weights: back, rows: labels, cols: labels });
    this.words.textContent = t("labShuffledText", { text });
    this.source.textContent = t("lab_masks_source", { n: LENGTH, model });
    this.tell();
  }

  drawDistance() {
    const { distance } = this;
    if (!distance) return;
    for (const name of /** @type {const} */ (["added", "rotary"])) {
      const title = t(`labPositions_${name}`, { apart: said(apart(...pair(distance[name])), 1) });
      const lines = distance[name].map((y, at) => ({ name: t("labFrom", { from: FROM[at] }), y }));
      this[name].show({ title, x: t("labDistance"), places: DISTANCES, lines });
    }
  }

  tell() {
    const { order, operator, shown, head } = this;
    if (!order || !shown) return;
    this.told.textContent = t("lab_masks_told", { operator: said(operator, 1), model: said(order.mean), all: said(order.all), name: order.model, layer: LAYER, head });
  }

  /** @override */
  async show() {
    this.shown = true;
    if (!this.order) await this.measure();
    this.tell();
  }

  /** @override */
  link() {
    return this.order ? { model: this.order.model, text: sentence(), site: "encoder", layer: LAYER, head: this.head } : { site: "encoder" };
  }
}

export function masks() {
  const power = (/** @type {string} */ at) => row("exp", "(", sub("s", "i", at), ")");
  const formulas = [
    formula(sub("w", "i", "j"), "=", over(row(sub("m", "i", "j"), power("j")), row(sum("k"), sub("m", "i", "k"), power("k"))), ",", sub("m", "i", "j"), "∈", "{", 0, ",", 1, "}"),
    formula("attention", "(", "P", "Q", ",", "P", "K", ",", "P", "V", ")", "=", "P", "attention", "(", "Q", ",", "K", ",", "V", ")"),
  ];
  return { section: new Section("masks", formulas, new Masks()), texts };
}
