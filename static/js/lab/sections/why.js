/** 8. Is a weight an explanation? Every edge of a layer's cross attention, its weight against what hiding it does. */

import { heads, weights } from "../../api/routes.js";
import { t } from "../../text/i18n.js";
import * as texts from "../../text/strings/lab/why.js";
import { element } from "../../views/dom.js";
import { choice, table } from "../controls.js";
import { CROSS, labelsOf, rowsOf } from "../cross.js";
import { formula, over, row, sub } from "../formula.js";
import { pearson, said, spearman } from "../numbers.js";
import { Scatter } from "../scatter.js";
import { Figure, Section } from "../section.js";
import { onSentence, sentence, sentenceField } from "../sentence.js";
import { effects, traceOf, translator } from "../service.js";

/** @typedef {{query: string, key: string, weight: number, measured: number, estimated: number | null}} Edge */

const MOST = 1024; // edges of one request
const LISTED = 10;
const SMALL = 0.1; // of the largest effect

class Why extends Figure {
  constructor() {
    super();
    this.layer = 1;
    this.which = "all";
    this.sharpest = 0;
    this.layers = 0;
    this.model = "";
    /** @type {Edge[]} */
    this.edges = [];
    this.scatter = new Scatter();
    this.choices = element("div", { class: "controls" });
    this.table = element("div", { class: "unseen" });
    this.numbers = element("p", { class: "equation measured" });
    this.room.append(sentenceField(), this.choices, this.scatter.root, this.numbers, this.table);
    onSentence(() => this.begun && void this.measure());
  }

  /** @override @param {AbortSignal} signal */
  async ask(signal) {
    const { name } = await translator();
    const summary = await traceOf(name, sentence());
    const site = summary.sites.find((each) => each.name === CROSS);
    if (!site) return;
    const layer = Math.min(this.layer, site.layers - 1);
    const { heads: rows } = await heads(summary.id, signal);
    const here = rows.filter((each) => each.site === CROSS && each.layer === layer);
    this.sharpest = here.toSorted((a, b) => (b.max ?? 0) - (a.max ?? 0))[0]?.head ?? 0;
    const head = this.which === "all" ? "all" : this.sharpest;
    const [queries, keys] = site.shape;
    const flat = await weights(summary.id, CROSS, layer, head === "all" ? "mean" : head, signal);
    const lines = rowsOf(flat, queries, keys).slice(0, Math.floor(MOST / keys));
    const places = lines.flatMap((line, query) => line.map((weight, key) => ({ query, key, weight })));
    const edits = places.map(({ query, key }) => ({ kind: "cut", site: CROSS, layer, head, query, key }));
    const { effects: found } = await effects(summary.id, { edits, measured: true }, signal);
    const [target, source] = [labelsOf(summary, "target"), labelsOf(summary, "source")];
    this.edges = places.map(({ query, key, weight }, at) => ({ query: target[query], key: source[key], weight, measured: found[at].measured, estimated: found[at].estimated }));
    Object.assign(this, { layer, layers: site.layers, model: name });
  }

  /** @param {Edge} edge */
  said({ query, key, weight, measured }) {
    return t("labWhyPoint", { query, key, weight: said(weight), effect: said(measured) });
  }

  /** Correlations over the edges. */
  get correlations() {
    const { edges } = this;
    const size = edges.map(({ measured }) => Math.abs(measured));
    const weight = edges.map((edge) => edge.weight);
    const both = edges.filter(({ estimated }) => estimated !== null);
    const estimate = pearson(both.map(({ estimated }) => estimated ?? NaN), both.map(({ measured }) => measured));
    return { pearson: said(pearson(weight, size)), spearman: said(spearman(weight, size)), estimate: said(estimate) };
  }

  /** @override */
  draw() {
    const { edges, layers, layer, which } = this;
    if (!edges.length) return;
    const focused = document.activeElement?.closest(".choice")?.getAttribute("data-t-label");
    const numbers = Array.from({ length: layers }, (_, at) => String(at));
    const byLayer = choice("labLayer", numbers, (name) => `labLayer_${name}`, String(layer), (name) => {
      this.layer = Number(name);
      void this.measure();
    });
    for (const [at, label] of [...byLayer.querySelectorAll("span")].entries()) {
      delete label.dataset.t;
      label.textContent = t("labLayerName", { layer: at });
    }
    const byHeads = choice("labWhichHeads", ["all", "sharpest"], (name) => `labWhyHeads_${name}`, which, (name) => {
      this.which = name;
      void this.measure();
    });
    this.choices.replaceChildren(byLayer, byHeads);
    if (focused) /** @type {HTMLElement | null} */ (this.choices.querySelector(`[data-t-label=${focused}] input:checked`))?.focus();
    const title = t("labWhyTitle");
    this.scatter.show({
      title,
      x: t("labWhyX"),
      y: t("labWhyY"),
      points: edges.map(({ weight, measured }) => [weight, Math.abs(measured)]),
      hint: t("labWhyHover"),
      tell: (at) => this.said(edges[at]),
      label: `${title}. ${t("labWhyTable")}`,
    });
    const top = edges.toSorted((a, b) => Math.abs(b.measured) - Math.abs(a.measured)).slice(0, LISTED);
    const rows = top.map(({ query, key, weight, measured }) => [`${query} → ${key}`, said(weight), said(measured)]);
    this.table.replaceChildren(table(t("labWhyTable"), [t("labEdge"), t("labWhyX"), t("labEffect")], rows));
    const found = this.correlations;
    this.numbers.textContent = `Pearson ${found.pearson}   Spearman ${found.spearman}`;
    const hidden = t(`labWhyHeadsOf_${which}`, { head: this.sharpest });
    this.source.textContent = t("lab_why_source", { model: this.model, n: edges.length, layer, heads: hidden });
    this.tell();
  }

  tell() {
    const { edges } = this;
    if (!edges.length || !this.shown) return;
    const largest = Math.max(...edges.map(({ measured }) => Math.abs(measured)));
    const idle = edges.filter(({ measured }) => Math.abs(measured) < SMALL * largest).toSorted((a, b) => b.weight - a.weight)[0];
    const values = idle
      ? { edge: `${idle.query} → ${idle.key}`, weight: said(idle.weight), effect: said(idle.measured) }
      : { edge: t("lab_why_none"), weight: "–", effect: "–" };
    this.told.textContent = t("lab_why_told", { n: edges.length, ...this.correlations, ...values });
  }

  /** @override */
  async show() {
    this.shown = true;
    if (!this.edges.length) await this.measure();
    this.tell();
  }

  /** @override @returns {import("../section.js").Link} */
  link() {
    return this.model ? { model: this.model, text: sentence(), site: CROSS, view: "faithfulness" } : { view: "faithfulness" };
  }
}

export function why() {
  const probability = (/** @type {string} */ under) => row("log", sub("p", under), "(", "y", ")");
  const formulas = [
    formula(sub("effect", "i", "j"), "=", probability("cut"), "−", row("log", "p", "(", "y", ")")),
    formula(sub("w", "i", "k"), "↦", over(sub("w", "i", "k"), row(1, "−", sub("w", "i", "j")))),
  ];
  return { section: new Section("why", formulas, new Why()), texts };
}
