/** Whether what a measure names is what the answer depends on: curves as tokens go and come, beside random orders. */

import { t } from "../text/i18n.js";
import { Curves, figure } from "../views/curves.js";
import { element } from "../views/dom.js";
import { legendEntry } from "./robustness.js";
import { Study } from "./study.js";

/** @typedef {{mean: number[], low: number[], high: number[]}} Line */
/** @typedef {{mean: number, z?: number, verdict?: string}} Score */
/**
 * @typedef {{curves: {deletion: Line, insertion: Line}} & Record<Metric, Score>} Row
 * @typedef {"comprehensiveness" | "sufficiency" | "deletion" | "insertion" | "degradation"} Metric
 *
 * @typedef {object} Result as app/service/jobs/faithfulness has it
 * @property {number[]} fractions
 * @property {(Row & {measure: string, verdict: string})[]} measures the best first
 * @property {Row} random
 * @property {{measure: string, detail: string}[]} undefined
 * @property {number} seeds
 */

/** @type {Metric[]} */
const METRICS = ["comprehensiveness", "sufficiency", "deletion", "insertion", "degradation"];
const LESS = new Set(["sufficiency", "deletion"]); // of which less is better
const DRAWN = 3; // measures at first, and the attention weights
const ALWAYS = "weights";
const BETTER = "better than chance";
const WORSE = "worse than chance";

/** @extends {Study<Result>} */
export class Faithfulness extends Study {
  /** @param {import("../features.js").Page} page */
  constructor({ explorer }) {
    super("faithfulness", explorer);
    /** @type {Set<string> | null} measures whose curves are drawn; null: the first */
    this.drawn = null;
    this.legend = element("ul", { class: "curve-legend small" });
    this.deletion = new Curves();
    this.insertion = new Curves();
    this.table = element("div", { class: "study-scroll" });
    this.note = element("p", { class: "quiet small" });
    this.result.append(this.legend, element("div", { class: "study-charts" }, this.deletion.root, this.insertion.root), this.table, this.note);
    this.keys = { keyFaithfulness: () => this.turn() };
  }

  /** A model that computes attention by itself has no edges to cut: its tokens are replaced. @override */
  asked() {
    const removal = this.session?.model?.attention === "eager" ? { removal: "replace" } : {};
    return { kind: "faithfulness", ...this.request, ...removal };
  }

  /** @override @param {Result} result */
  came(result) {
    this.drawn = null;
    super.came(result);
  }

  /** @override @param {Result} result */
  print(result) {
    const names = result.measures.map(({ measure }) => measure);
    this.drawn ??= new Set([...names.slice(0, DRAWN), ...names.filter((name) => name === ALWAYS)]);
    this.draw(result);
    this.tabulate(result);
    const lacking = result.undefined.map(({ measure }) => measure).join(", ");
    this.note.textContent = [t("faithfulnessNote", { n: result.seeds }), lacking && t("faithfulnessUndefined", { names: lacking })]
      .filter(Boolean)
      .join(" ");
  }

  /** @param {Result} result */
  draw({ measures, random, fractions }) {
    const { drawn } = this;
    const rows = measures.filter(({ measure }) => drawn?.has(measure)).map((row, hue) => ({ ...row, hue }));
    const all = [{ measure: t("faithfulnessRandom"), curves: random.curves, hue: -1 }, ...rows];
    this.legend.replaceChildren(...all.map(({ measure, hue }) => legendEntry(measure, hue)));
    for (const side of /** @type {const} */ (["deletion", "insertion"])) {
      const curves = all.map(({ measure: name, curves: lines, hue }) => ({ name, x: fractions, ...lines[side], hue }));
      const tick = (/** @type {number} */ value) => `${Math.round(100 * value)}%`;
      this[side].show({ title: t(`faithfulness_${side}`), x: t(`faithfulnessX_${side}`), y: t("faithfulnessY"), tick, curves });
    }
  }

  /** A row a measure, with a box that draws it. @param {Result} result */
  tabulate(result) {
    const { measures, random } = result;
    const head = METRICS.map((name) =>
      element("th", { scope: "col", title: t(`metricTitle_${name}`) }, `${t(`metric_${name}`)} ${LESS.has(name) ? "↓" : "↑"}`),
    );
    const first = element("th", { scope: "col" }, t("faithfulnessMeasure"));
    const last = element("th", { scope: "col" }, t("faithfulnessVerdict"));
    const rows = measures.map((row) => {
      const change = () => {
        if (!this.drawn?.delete(row.measure)) this.drawn?.add(row.measure);
        this.draw(result);
      };
      const box = element("input", { type: "checkbox", checked: this.drawn?.has(row.measure) ?? false, on: { change } });
      const name = element("th", { scope: "row" }, element("label", { class: "check" }, box, row.measure));
      return element("tr", {}, name, ...METRICS.map((metric) => scoreCell(row[metric])), element("td", {}, verdictOf(row.verdict)));
    });
    const chance = element(
      "tr",
      { class: "quiet" },
      element("th", { scope: "row" }, t("faithfulnessRandom")),
      ...METRICS.map((metric) => element("td", {}, figure(random[metric].mean))),
      element("td", {}, ""),
    );
    this.table.replaceChildren(
      element(
        "table",
        { class: "study-table tabular" },
        element("caption", { class: "caption" }, t("faithfulnessTable")),
        element("thead", {}, element("tr", {}, first, ...head, last)),
        element("tbody", {}, ...rows, chance),
      ),
    );
  }
}

/** Bold where it is better than chance. @param {Score} score */
function scoreCell({ mean, z, verdict }) {
  const title = z === undefined ? "" : t("faithfulnessZ", { z: z.toFixed(1) });
  return element("td", { class: verdict === BETTER ? "better" : verdict === WORSE ? "worse" : "", title }, figure(mean));
}

/** @param {string} verdict */
const verdictOf = (verdict) => t(verdict === BETTER ? "verdictBetter" : verdict === WORSE ? "verdictWorse" : "verdictNone");
