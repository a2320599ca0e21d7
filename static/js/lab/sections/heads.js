/** 3. Many heads: each head of the translator on the reader's sentence, and what the translation loses without it. */

import { headEffects, thumbnails, trace, weights } from "../../api/routes.js";
import { WEIGHTS } from "../../api/u8log.js";
import { siteName, t } from "../../text/i18n.js";
import * as texts from "../../text/strings/lab/heads.js";
import { element } from "../../views/dom.js";
import { choice } from "../controls.js";
import { labelsOf, rowsOf } from "../cross.js";
import { around, both, formula, over, root, row, sub, sup } from "../formula.js";
import { Matrix, paint } from "../matrix.js";
import { said } from "../numbers.js";
import { Figure, Section } from "../section.js";
import { onSentence, sentence, sentenceField } from "../sentence.js";
import { effects, traceOf, translator } from "../service.js";

/** @typedef {import("../../types.js").Summary} Summary */
/** @typedef {{site: string, layer: number, head: number}} Place */
/** @typedef {{summary: Summary, text: string, worth: Record<string, number[][]>, small: Record<string, import("../../types.js").Thumbnails>}} Found */

const SMALL = 48; // pixels of a thumbnail
const LITTLE = 0.1; // nats: a head that is worth less is hardly missed

class Heads extends Figure {
  constructor() {
    super();
    /** @type {Found | null} */
    this.found = null;
    /** @type {Place} */
    this.place = { site: "cross", layer: 1, head: 1 };
    this.sites = element("div", {});
    this.grid = element("div", { class: "heads", role: "group" });
    this.map = new Matrix();
    this.words = element("p", { class: "without", role: "status" });
    this.room.append(sentenceField(), this.sites, element("div", { class: "beside" }, this.grid, element("div", {}, this.map.root, this.words)));
    this.turn = 0;
    /** @type {{n: number, of: number, sum: number, together: number} | null} */
    this.together = null;
    onSentence(() => this.begun && void this.measure());
  }

  /** @override @param {AbortSignal} signal */
  async ask(signal) {
    const text = sentence();
    const { name } = await translator();
    const summary = await traceOf(name, text);
    signal.throwIfAborted();
    const answer = await headEffects(summary.id, true, signal);
    /** @type {Record<string, number[][]>} */
    const worth = {};
    for (const site of answer.sites) worth[site.name] = (site.measured ?? site.estimated).map((line) => line.map((value) => -(value ?? NaN)));
    /** @type {Found["small"]} */
    const small = {};
    for (const site of summary.sites) small[site.name] = await thumbnails(summary.id, site.name, SMALL, signal);
    this.found = { summary, text, worth, small };
    this.together = null;
    this.told.textContent = "";
    if (!worth[this.place.site]?.[this.place.layer]) this.place = { site: summary.sites[0].name, layer: 0, head: 0 };
    void this.look(this.place, signal);
  }

  /** Every head of the model with what it is worth. @param {Found} found */
  heads({ worth }) {
    return Object.entries(worth).flatMap(([site, lines]) => lines.flatMap((line, layer) => line.map((value, head) => ({ site, layer, head, value }))));
  }

  /** @override */
  draw() {
    const { found, place } = this;
    if (!found) return;
    const { summary, worth, text } = found;
    const names = summary.sites.map(({ name }) => name);
    this.sites.replaceChildren(
      choice("labSite", names, (name) => `site${name[0].toUpperCase()}${name.slice(1)}`, place.site, (site) => void this.choose({ site, layer: 0, head: 0 })),
    );
    this.grid.setAttribute("aria-label", siteName(place.site));
    const lines = worth[place.site];
    this.grid.style.setProperty("--heads", String(lines[0].length));
    this.grid.replaceChildren(...lines.flatMap((line, layer) => line.map((value, head) => this.tile({ site: place.site, layer, head }, value))));
    const prediction = /** @type {import("../../types.js").Written} */ (summary.prediction);
    this.source.textContent = t("lab_heads_source", { model: summary.model, n: this.heads(found).length, text: prediction.text ?? text });
    this.tell();
    this.drawMap();
  }

  /** @param {Place} place @param {number} value */
  tile(place, value) {
    const { found } = this;
    const canvas = element("canvas", { "aria-hidden": "true" });
    const small = found?.small[place.site];
    if (small) {
      const [, each, rows, cols] = small.shape;
      const from = (place.layer * each + place.head) * rows * cols;
      paint(canvas, (at, to) => WEIGHTS[small.codes[from + at * cols + to]], rows, cols);
    }
    const chosen = place.layer === this.place.layer && place.head === this.place.head;
    const name = t("labHead", { ...place, site: siteName(place.site) });
    const number = element("span", { class: value >= LITTLE ? "worth much" : "worth" }, said(value, 2));
    return element(
      "button",
      {
        type: "button",
        class: "head-tile",
        title: name,
        "aria-pressed": String(chosen),
        "aria-label": t("labHeadWorth", { head: name, worth: said(value, 2) }),
        data: { layer: place.layer, head: place.head },
        on: { click: () => void this.choose(place) },
      },
      canvas,
      number,
    );
  }

  /** @param {Place} place */
  async choose(place) {
    const focused = document.activeElement?.closest(".head-tile, .choice");
    this.place = place;
    this.draw();
    const again = focused?.matches(".choice") ? ".choice input:checked" : ".head-tile[aria-pressed=true]";
    if (focused) /** @type {HTMLElement | null} */ (this.room.querySelector(again))?.focus();
    await this.look(place, new AbortController().signal).catch((error) => this.say(error));
  }

  /** The head's map, and what the model writes without it. @param {Place} place @param {AbortSignal} signal */
  async look({ site, layer, head }, signal) {
    const { found } = this;
    if (!found) return;
    const turn = (this.turn += 1);
    this.words.textContent = t("labWriting");
    const { id, sites } = found.summary;
    const [rows, cols] = sites.find(({ name }) => name === site)?.shape ?? [0, 0];
    const flat = await weights(id, site, layer, head, signal);
    if (turn !== this.turn) return;
    this.cells = rowsOf(flat, rows, cols);
    this.drawMap();
    const edits = [{ kind: "silence", site, layer, head }];
    const { effects: [one] } = await effects(id, { edits, measured: true, predict: true }, signal);
    if (turn !== this.turn) return;
    this.without = { text: String(one.prediction?.text ?? ""), worth: -one.measured };
    this.drawMap();
  }

  drawMap() {
    const { found, cells, place, without } = this;
    const site = found?.summary.sites.find(({ name }) => name === place.site);
    if (!found || !site || !cells || cells.length !== site.shape[0] || cells[0].length !== site.shape[1]) return;
    const labels = (/** @type {string} */ axis) => labelsOf(found.summary, axis);
    this.map.show({ title: t("labHead", { ...place, site: siteName(place.site) }), weights: cells, rows: labels(site.queries), cols: labels(site.keys) });
    if (without) this.words.textContent = t("labWithout", { text: without.text, worth: said(without.worth, 2) });
  }

  tell() {
    if (!this.together) return;
    const { n, of, sum, together } = this.together;
    this.told.textContent = t("lab_heads_told", { n, of, least: LITTLE, sum: said(sum, 2), together: said(together, 2) });
  }

  /** The heads that are hardly missed, silenced all at once over the same translation. @override */
  async show() {
    if (!this.found) await this.measure();
    const { found } = this;
    if (!found) return;
    const all = this.heads(found);
    const idle = all.filter(({ value }) => value < LITTLE);
    const { summary, text } = found;
    const prediction = /** @type {import("../../types.js").Written} */ (summary.prediction);
    const edits = idle.map(({ site, layer, head }) => ({ kind: "silence", site, layer, head }));
    const body = { model: summary.model, inputs: text, target: prediction.text, objective: { tokens: "all" } };
    const [plain, without] = await Promise.all([trace(body), trace({ ...body, edits })]);
    const lost = (plain.objective?.value ?? NaN) - (without.objective?.value ?? NaN);
    this.together = { n: idle.length, of: all.length, sum: idle.reduce((total, { value }) => total + value, 0), together: lost };
    this.tell();
  }

  /** @override */
  link() {
    const { found, place } = this;
    const edits = JSON.stringify([{ kind: "silence", ...place }]);
    return found ? { model: found.summary.model, text: found.text, ...place, edits } : {};
  }
}

export function heads() {
  const projected = (/** @type {string} */ x, /** @type {string} */ y) => row(x, both("W", "h", y));
  const scores = over(row(projected("Q", "q"), sup(row("(", projected("K", "k"), ")"), "⊤")), root("d"));
  const formulas = [
    formula(sub("head", "h"), "=", "softmax", around(scores), projected("V", "v")),
    formula("out", "=", "[", sub("head", 1), ";", "…", ";", sub("head", "H"), "]", sup("W", "o")),
  ];
  return { section: new Section("heads", formulas, new Heads()), texts };
}
