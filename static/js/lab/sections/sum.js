/** 1. The weighted sum: a query, three keys, three values in the plane, and the operator of the service between them. */

import { t } from "../../text/i18n.js";
import * as texts from "../../text/strings/lab/sum.js";
import { element } from "../../views/dom.js";
import { button, choice, choose, slide, slider, table } from "../controls.js";
import { formula, over, row, sub, sum as sumSign } from "../formula.js";
import { apart, dot, said, softmax } from "../numbers.js";
import { Plane, REACH, written } from "../plane.js";
import { Figure, Section } from "../section.js";
import { attend } from "../service.js";

/** @typedef {"dot" | "scaled" | "additive" | "bilinear"} Score */

/** @type {Score[]} */
const SCORES = ["dot", "scaled", "additive", "bilinear"];
const SOON = 40; // milliseconds: between two requests for what is dragged
const BOLDEST = 8; // pixels of a weight of one
const THIN = 1.5;
const FIRST = {
  q: [1.2, 0.6],
  k1: [1, 0.9],
  k2: [0.7, -0.4],
  k3: [-0.9, 0.8],
  v1: [1.6, 0.4],
  v2: [0.2, -1.5],
  v3: [-1.3, 1.1],
};
/** @typedef {Record<string, number[]>} Vectors */
/** @typedef {{weights: number[], output: number[], scores: number[]}} Answer */

/** @param {number} degrees @returns {number[][]} */
const turn = (degrees) => {
  const [c, s] = [Math.cos((degrees * Math.PI) / 180), Math.sin((degrees * Math.PI) / 180)];
  return [
    [c, s],
    [-s, c],
  ];
};

/** A query's score with a key, before the temperature. @param {Score} score @param {number[]} q @param {number[]} k @param {number} angle */
export function scoreOf(score, q, k, angle) {
  if (score === "additive") return q.reduce((total, x, at) => total + Math.tanh(x + k[at]), 0);
  if (score === "bilinear") return dot(turn(angle)[0].map((_, at) => dot(q, turn(angle).map((line) => line[at]))), k);
  return dot(q, k) / (score === "scaled" ? Math.sqrt(q.length) : 1);
}

/** The operator's request: a temperature divides what scales the score. @param {Score} score @param {number} T @param {number} angle */
function asked(score, T, angle) {
  if (score === "additive") return { score, vector: [1 / T, 1 / T] };
  if (score === "bilinear") return { score: "general", matrix: turn(angle).map((line) => line.map((x) => x / T)) };
  return { score: "scaled_dot", scale: 1 / (T * (score === "scaled" ? Math.sqrt(2) : 1)) };
}

class WeightedSum extends Figure {
  constructor() {
    super();
    /** @type {Vectors} */
    this.vectors = { ...FIRST };
    /** @type {Score} */
    this.score = "scaled";
    this.T = 1;
    this.angle = 90;
    /** @type {Answer | null} */
    this.answer = null;
    this.stale = false; // what is on show has not been asked for
    this.asking = false;
    const moved = (/** @type {string} */ name, /** @type {number[]} */ place) => {
      this.vectors[name] = place;
      this.changed();
    };
    this.keys = new Plane(moved);
    this.values = new Plane(moved);
    this.scores = choice("labScore", SCORES, (name) => `labScore_${name}`, this.score, (name) => {
      this.score = /** @type {Score} */ (name);
      this.changed();
    });
    const degrees = (/** @type {number} */ value) => `${value}°`;
    this.temperature = slider("labTemperature", { min: 0.1, max: 4, step: 0.1, value: 1 }, (value) => value.toFixed(1), (value) => {
      this.T = value;
      this.changed();
    });
    this.turning = slider("labAngle", { min: 0, max: 180, step: 15, value: this.angle }, degrees, (value) => {
      this.angle = value;
      this.changed();
    });
    const reset = button("labReset", () => {
      this.vectors = { ...FIRST };
      this.T = 1;
      slide(this.temperature, 1, (value) => value.toFixed(1));
      this.changed();
    });
    this.table = element("div", { class: "scroll measured" });
    this.line = element("p", { class: "equation measured" });
    this.room.append(
      element("div", { class: "controls" }, this.scores, this.temperature, this.turning, reset),
      element("div", { class: "planes" }, this.keys.root, this.values.root),
      this.table,
      this.line,
    );
    this.place();
  }

  /** The vectors are drawn at once, their weights when the service has answered. */
  changed() {
    this.place();
    this.stale = true;
    if (!this.asking) void this.follow();
  }

  /** Asks one request after the other for as long as vectors move, so that weights follow them. */
  async follow() {
    this.asking = true;
    while (this.stale) {
      await new Promise((resolve) => setTimeout(resolve, SOON));
      this.stale = false;
      await this.measure();
    }
    this.asking = false;
  }

  /** @override @param {AbortSignal} signal */
  async ask(signal) {
    const { vectors, score, T, angle } = this;
    this.answer = await this.weigh(vectors, score, T, angle, signal);
  }

  /** @param {Vectors} v @param {Score} score @param {number} T @param {number} angle @param {AbortSignal} [signal] @returns {Promise<Answer>} */
  async weigh(v, score, T, angle, signal) {
    const keys = [v.k1, v.k2, v.k3];
    const body = { queries: [v.q], keys, values: [v.v1, v.v2, v.v3], ...asked(score, T, angle) };
    const { weights, output } = await attend(body, signal);
    return { weights: weights[0], output: output[0], scores: keys.map((k) => scoreOf(score, v.q, k, angle)) };
  }

  place() {
    const { vectors: v, answer } = this;
    this.turning.hidden = this.score !== "bilinear";
    const width = (/** @type {number} */ at) => THIN + BOLDEST * (answer?.weights[at] ?? 0);
    for (const [at, name] of ["1", "2", "3"].entries()) {
      this.keys.arrow(`k${name}`, v[`k${name}`], { width: width(at), moved: true });
      this.values.arrow(`v${name}`, v[`v${name}`], { width: width(at), moved: true });
    }
    this.keys.arrow("q", v.q, { lit: true, moved: true });
  }

  /** @override */
  draw() {
    this.place();
    this.keys.root.setAttribute("aria-label", t("labPlaneKeys"));
    this.values.root.setAttribute("aria-label", t("labPlaneValues"));
    const { answer, vectors: v } = this;
    if (!answer) return;
    const { weights, output, scores } = answer;
    const values = [v.v1, v.v2, v.v3];
    const parts = values.map((value, at) => value.map((x) => x * weights[at]));
    let place = [0, 0];
    this.values.join(parts.map((part) => (place = place.map((x, at) => x + part[at]))));
    this.values.arrow("o", output, { lit: true, width: 3 });
    const rows = weights.map((weight, at) => {
      const meter = element("span", { class: "meter" });
      meter.style.width = `${100 * weight}%`;
      return [written(`k${at + 1}`), said(scores[at]), said(weight), parts[at].map((x) => said(x, 2)).join(", "), meter];
    });
    const head = [t("labKey"), t("labScoreColumn"), t("labWeight"), t("labPart"), ""];
    const made = table(t("labSumTable"), head, rows);
    for (const cells of made.rows) cells.cells[4].className = "wide";
    made.rows[0].cells[4].replaceWith(element("td", { class: "wide" })); // a head without words is none
    this.table.replaceChildren(made);
    const terms = weights.map((weight, at) => `${said(weight)}·${written(`v${at + 1}`)}`).join(" + ");
    this.line.textContent = `o = ${terms} = (${output.map((x) => said(x)).join(", ")})`;
    this.source.textContent = t("lab_sum_source", { apart: said(apart(softmax(scores.map((s) => s / this.T)), weights), 1) });
  }

  /** k₂ at twice its length, under every score. @override */
  async show() {
    const { k2 } = this.vectors;
    const scaled = (/** @type {number} */ by) => ({ ...this.vectors, k2: k2.map((x) => by * x) });
    const fits = k2.every((x) => Math.abs(2 * x) <= REACH); // else its half is what it is before
    const [before, after] = fits ? [scaled(1), scaled(2)] : [scaled(0.5), scaled(1)];
    const lines = [];
    for (const score of SCORES) {
      const [first, then] = await Promise.all([before, after].map((vectors) => this.weigh(vectors, score, 1, this.angle)));
      const part = { before: said(first.scores[1], 2), after: said(then.scores[1], 2), weight: said(first.weights[1], 2), then: said(then.weights[1], 2) };
      lines.push(t("lab_sum_one", { score: t(`labScore_${score}`), ...part }));
    }
    this.vectors = after;
    this.T = 1;
    slide(this.temperature, 1, (value) => value.toFixed(1));
    this.score = "additive";
    choose(this.scores, "additive");
    this.changed();
    this.told.textContent = t("lab_sum_told", { list: lines.join("; ") });
  }

  /** @override */
  link() {
    return { row: 1, col: 1 };
  }
}

export function sum() {
  const exponent = (/** @type {string} */ at) => row("exp", "(", sub("s", at), "/", "T", ")");
  const formulas = [
    formula("o", "=", sumSign("j"), sub("w", "j"), sub("v", "j")),
    formula(sub("w", "j"), "=", over(exponent("j"), row(sumSign("i"), exponent("i")))),
    formula(sub("s", "j"), "=", "score", "(", "q", ",", sub("k", "j"), ")"),
  ];
  return { section: new Section("sum", formulas, new WeightedSum()), texts };
}
