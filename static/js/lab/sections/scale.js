/** 2. The dot product against the scaled one as vectors get wider: the entropy of the weights, the slope of the softmax. */

import { t } from "../../text/i18n.js";
import * as texts from "../../text/strings/lab/scale.js";
import { element } from "../../views/dom.js";
import { Chart } from "../chart.js";
import { button } from "../controls.js";
import { around, formula, over, root, row, sub, sup } from "../formula.js";
import { entropy, even, mean, normal, said, slope } from "../numbers.js";
import { Figure, Section } from "../section.js";
import { attend } from "../service.js";

const WIDTHS = [2, 4, 8, 16, 32, 64, 128, 256, 512];
const QUERIES = 96; // rows that a number is the mean of: few of them have most of the slope
const KEYS = 32;

/** @typedef {{entropy: number, slope: number, most: number}} Spread of the weights of a width: means over the queries */

/** @param {number[][]} weights @returns {Spread} */
const spread = (weights) => ({
  entropy: mean(weights.map(entropy)),
  slope: mean(weights.map(slope)),
  most: mean(weights.map((line) => Math.max(...line))),
});

class Scale extends Figure {
  constructor() {
    super();
    this.seed = 1;
    /** @type {{dot: Spread, scaled: Spread}[]} one a width */
    this.found = [];
    this.entropy = new Chart();
    this.slope = new Chart();
    const again = button("labDraw", () => {
      this.seed += 1;
      void this.measure();
    });
    this.room.append(element("div", { class: "charts" }, this.entropy.root, this.slope.root), element("div", { class: "controls" }, again));
  }

  /** @override @param {AbortSignal} signal */
  async ask(signal) {
    const draw = even(this.seed);
    const found = [];
    for (const width of WIDTHS) {
      const body = { queries: normal(draw, QUERIES, width), keys: normal(draw, KEYS, width), values: new Array(KEYS).fill([0]) };
      const [dot, scaled] = await Promise.all(["dot", "scaled_dot"].map((score) => attend({ ...body, score }, signal)));
      found.push({ dot: spread(dot.weights), scaled: spread(scaled.weights) });
    }
    this.found = found;
  }

  /** @override */
  draw() {
    const { found } = this;
    if (!found.length) return;
    /** @param {keyof Spread} name */
    const lines = (name) => [
      { name: t("labScaledDot"), y: found.map(({ scaled }) => scaled[name]) },
      { name: t("labDot"), y: found.map(({ dot }) => dot[name]) },
    ];
    const axis = { x: t("labWidth"), places: WIDTHS, logX: true };
    const most = { name: t("labEvenly", { keys: KEYS }), y: WIDTHS.map(() => Math.log(KEYS)) };
    this.entropy.show({ title: t("labEntropy"), ...axis, lines: [...lines("entropy"), most] });
    this.slope.show({ title: t("labSlope"), ...axis, lines: lines("slope") });
    this.source.textContent = t("lab_scale_source", { queries: QUERIES, keys: KEYS, seed: this.seed });
    this.tell();
  }

  tell() {
    const [first, last] = [this.found[0], this.found.at(-1)];
    if (!first || !last || !this.shown) return;
    const values = { dot: said(last.dot.most), scaled: said(last.scaled.most), dotLeast: said(first.dot.most), scaledLeast: said(first.scaled.most) };
    this.told.textContent = t("lab_scale_told", { d: WIDTHS.at(-1) ?? 0, least: WIDTHS[0], ...values });
  }

  /** @override */
  async show() {
    this.shown = true;
    if (!this.found.length) await this.measure();
    this.tell();
  }

  /** @override */
  link() {
    return { sort: "entropy" };
  }
}

export function scale() {
  const product = () => row(sup("q", "⊤"), "k");
  const formulas = [
    formula("q", ",", "k", "∼", "N", "(", 0, ",", sub("I", "d"), ")"),
    formula("Var", "(", product(), ")", "=", "d"),
    formula("Var", around(over(product(), root("d"))), "=", 1),
    formula(over(row("∂", sub("w", "j")), row("∂", sub("s", "i"))), "=", sub("w", "j"), "(", sub("δ", "i", "j"), "−", sub("w", "i"), ")"),
  ];
  return { section: new Section("scale", formulas, new Scale()), texts };
}
