/** 6. Cost against length, measured there and then: the operator with and without its map, traces beside their maps. */

import { trace } from "../../api/routes.js";
import { t } from "../../text/i18n.js";
import * as texts from "../../text/strings/lab/cost.js";
import { element } from "../../views/dom.js";
import { Chart } from "../chart.js";
import { Runner } from "../controls.js";
import { formula, row, sub, sum } from "../formula.js";
import { even, median, normal, said, saidBytes } from "../numbers.js";
import { Figure, Section } from "../section.js";
import { sentence, sentenceField } from "../sentence.js";
import { timed, translator } from "../service.js";

const LENGTHS = [64, 128, 256, 512, 1024]; // the longest map is some ten megabytes of JSON
const WIDTH = 16;
const TIMES = 3;
const REPEATS = [1, 2, 4, 8, 16, 32]; // of the sentence: of ten tokens, so many as the model has positions for
const MOST = 480; // tokens: a sentence that is repeated further is left out
const ONE_TOKEN = { max_new_tokens: 1 }; // of the translation: it is the input whose length is looked at

/** @typedef {{length: number, seconds: number[], bytes: number[]}} Timed with the map, without */
/** @typedef {{tokens: number, trace: number, maps: number}} Kept in bytes */

class Cost extends Figure {
  constructor() {
    super();
    this.auto = false;
    /** @type {Timed[]} */
    this.timed = [];
    /** @type {Kept[]} */
    this.kept = [];
    this.kernel = "";
    this.device = "";
    this.model = "";
    this.when = new Date();
    this.runner = new Runner(() => void this.measure());
    this.time = new Chart();
    this.bytes = new Chart();
    this.traces = new Chart();
    this.charts = element("div", { class: "charts", hidden: true }, this.time.root, this.bytes.root, this.traces.root);
    this.room.append(sentenceField(), this.runner.root, this.charts);
  }

  /** @override @param {AbortSignal} signal */
  async ask(signal) {
    const text = sentence();
    const all = LENGTHS.length * TIMES * 2 + REPEATS.length;
    let done = 0;
    const step = () => this.runner.told((done += 1), all);
    this.runner.told(0, all);
    const draw = even(3);
    /** @type {Timed[]} */
    const found = [];
    for (const length of LENGTHS) {
      const body = { queries: normal(draw, length, WIDTH), keys: normal(draw, length, WIDTH), values: new Array(length).fill([1]) };
      const bodies = [true, false].map((wanted) => JSON.stringify({ ...body, return_weights: wanted }));
      /** @type {number[][]} */
      const seconds = [[], []];
      const bytes = [0, 0];
      for (let time = 0; time < TIMES; time += 1)
        for (const [at, each] of bodies.entries()) {
          const one = await timed(each, signal);
          seconds[at].push(one.seconds);
          bytes[at] = one.bytes;
          if (at) this.kernel = JSON.parse(one.answer).kernel;
          step();
        }
      found.push({ length, seconds: seconds.map(median), bytes });
    }
    const { name, device = "" } = await translator();
    /** @type {Kept[]} */
    const kept = [];
    for (const repeats of REPEATS) {
      const tokens = (kept[0]?.tokens ?? 0) * repeats;
      if (tokens <= MOST) {
        const { bytes = NaN, sites } = await trace({ model: name, inputs: new Array(repeats).fill(text).join(" "), parameters: ONE_TOKEN }, signal);
        const maps = sites.reduce((total, { layers, heads, shape: [queries, keys] }) => total + layers * heads * queries * keys * 4, 0);
        kept.push({ tokens: sites.find((site) => site.name === "encoder")?.shape[0] ?? 0, trace: bytes, maps });
      }
      step();
    }
    Object.assign(this, { timed: found, kept, model: name, device, when: new Date() });
    this.runner.ended();
  }

  /** @override */
  draw() {
    const { timed: found, kept, kernel, device, model, when } = this;
    this.charts.hidden = !found.length;
    if (!found.length) return;
    const axis = { x: t("labCostLength"), places: found.map(({ length }) => length), logX: true, logY: true };
    /** @param {"seconds" | "bytes"} name */
    const lines = (name) => ["labCostWith", "labCostWithout"].map((text, at) => ({ name: t(text), y: found.map((each) => each[name][at]) }));
    const bytes = { writeY: saidBytes, writeTick: saidBytes };
    this.time.show({ title: t("labCostTime"), ...axis, lines: lines("seconds") });
    this.bytes.show({ title: t("labCostBytes"), ...axis, ...bytes, lines: lines("bytes") });
    this.traces.show({
      title: t("labCostTrace"),
      x: t("labCostTokens"),
      places: kept.map(({ tokens }) => tokens),
      logX: true,
      logY: true,
      ...bytes,
      lines: [
        { name: t("labCostMaps"), y: kept.map(({ maps }) => maps) },
        { name: t("labCostKept"), y: kept.map((each) => each.trace) },
      ],
    });
    const time = when.toLocaleString(document.documentElement.lang);
    this.source.textContent = t("lab_cost_source", { times: TIMES, width: WIDTH, kernel, model, device, when: time });
    this.tell();
  }

  tell() {
    const [before, last] = this.timed.slice(-2);
    const longest = this.kept.at(-1);
    if (!before || !last || !longest || !this.shown) return;
    const factor = (/** @type {"seconds" | "bytes"} */ name, /** @type {number} */ at) => said(last[name][at] / before[name][at], 2);
    this.told.textContent = t("lab_cost_told", {
      half: before.length,
      length: last.length,
      time: factor("seconds", 0),
      bare: factor("seconds", 1),
      bytes: factor("bytes", 0),
      bareBytes: factor("bytes", 1),
      tokens: longest.tokens,
      trace: saidBytes(longest.trace),
      maps: saidBytes(longest.maps),
    });
  }

  /** @override */
  async show() {
    this.shown = true;
    if (!this.timed.length) await this.measure();
    this.tell();
  }

  /** @override */
  link() {
    return this.model ? { model: this.model, text: new Array(8).fill(sentence()).join(" "), site: "encoder", layer: 0, head: 0 } : {};
  }
}

export function cost() {
  const formulas = [
    formula(row("time"), "∼", "n", "×", "n", "×", "d"),
    formula(row("map"), "∼", "n", "×", "n"),
    formula(row("trace"), "∼", "n", "×", "d"),
    formula(sub("w", "i", "j"), "=", "exp", "(", sub("s", "i", "j"), "−", sub("ℓ", "i"), ")", ",", sub("ℓ", "i"), "=", "log", sum("k"), "exp", "(", sub("s", "i", "k"), ")"),
  ];
  return { section: new Section("cost", formulas, new Cost()), texts };
}
