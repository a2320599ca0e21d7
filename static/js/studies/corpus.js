/** Every head over many inputs: a point a head on any two measures, and the inputs in which a head does most. */

import { bodyOf, linesOf } from "../input/draft.js";
import { parsed } from "../input/corpus-lines.js";
import { fileOf, taskOf } from "../input/tasks.js";
import { kindsSaid } from "../map/grid/kinds.js";
import { siteName, t } from "../text/i18n.js";
import { isolated } from "../text/isolate.js";
import { figure } from "../views/curves.js";
import { byId, element, setText } from "../views/dom.js";
import { Scatter } from "../views/scatter.js";
import { headLink } from "./heads.js";
import { legendEntry } from "./robustness.js";
import { Sheet } from "./sheet.js";
import { Study } from "./study.js";

/** @typedef {import("../source/session.js").Session} Session */
/** @typedef {import("../types.js").Input | string} Input */
/** @typedef {{number: number, input: number, text: string, start?: number, stop?: number}} Passage */
/**
 * @typedef {{site: string, layer: number, head: number, deviation: Record<string, number>, kinds: string[],
 *            top: Record<string, [number, number][]>} & Record<string, unknown>} Row of a head, with the mean of each measure
 *
 * @typedef {object} Result as app/service/jobs/corpus has it
 * @property {string} model
 * @property {number} recorded
 * @property {number} tokens
 * @property {string[]} metrics
 * @property {{name: string, least: number}[]} sites
 * @property {Row[]} heads
 * @property {Passage[]} passages
 * @property {({error?: {detail: string}} | {parts: {error?: {detail: string}}[]})[]} predictions
 */

const FIRST = { x: "distance", y: "entropy" };
const TAKEN = 100; // paragraphs of examples: an idea of the heads within a minute
const CONTINUES = "text-generation"; // what is read is measured, not what would be written after it

/** @param {Row} row @param {string} metric @returns {number | null} */
const meanOf = (row, metric) => /** @type {number | null | undefined} */ (row[metric]) ?? null;

/** @param {string} metric */
const called = (metric) => t(`corpusMetric_${metric}`, {}, metric);

/** @extends {Study<Result>} */
export class Corpus extends Study {
  /** @param {import("../features.js").Page} page */
  constructor({ explorer, form, run }) {
    super("corpus", explorer);
    this.form = form;
    this.run = run;
    /** @type {Map<string, {result: Result, inputs: Input[]}>} by model: another input on show loses none */
    this.kept = new Map();
    /** @type {Input[]} that the job under way was asked about */
    this.sent = [];
    this.text = element("textarea", { class: "corpus-text", rows: 5, spellcheck: false, dir: "auto", on: { input: () => this.count() } });
    this.name = element("span", { class: "caption" });
    this.field = element("label", { class: "corpus-field" }, this.name, this.text);
    this.take = element("button", { type: "button", class: "small", on: { click: () => this.fill() } });
    this.counted = element("span", { class: "quiet small tabular", role: "status" });
    this.settings.append(this.field, this.take, this.counted);
    /** @type {Record<"x" | "y", HTMLSelectElement>} */
    this.axes = { x: this.menu(), y: this.menu() };
    this.across = element("span", {});
    this.up = element("span", {});
    this.legend = element("ul", { class: "curve-legend small" });
    this.scatter = new Scatter((index) => this.choose(index));
    this.chosen = element("section", { class: "corpus-chosen" });
    this.note = element("p", { class: "quiet small" });
    const menus = element(
      "div",
      { class: "study-settings" },
      element("label", { class: "inline small" }, this.across, this.axes.x),
      element("label", { class: "inline small" }, this.up, this.axes.y),
      this.legend,
    );
    this.result.append(menus, this.scatter.root, this.chosen, this.note);
    this.keys = { keyCorpus: () => this.turn() };
    this.listen();
  }

  menu() {
    return element("select", { on: { change: () => this.found && this.print(this.found) } });
  }

  /** A file that is dropped on the text takes its place; no other part of the page takes it. */
  listen() {
    this.field.addEventListener("dragover", (event) => event.preventDefault());
    this.field.addEventListener("drop", (event) => {
      const [file] = event.dataTransfer?.files ?? [];
      if (!file) return;
      event.preventDefault();
      event.stopPropagation();
      this.read(file);
    });
  }

  /** @param {File} file */
  async read(file) {
    const text = await file.text();
    if (text.includes("\0") || text.includes("\ufffd")) return setText(this.counted, t("corpusBadFile", { name: file.name }));
    this.text.value = text;
    this.count();
  }

  /** Whether the model reads texts, of which a line is one. */
  get reads() {
    const task = taskOf(this.session?.model);
    return fileOf(task) === null && task.fields.includes("text") && !task.fields.includes("labels");
  }

  get examples() {
    return this.session?.model?.examples ?? [];
  }

  /** The model's examples, a paragraph a line. */
  fill() {
    const texts = this.examples.flatMap((example) => (typeof example === "string" ? example : (example.text ?? "")).split(/\n\s*\n/));
    const lines = texts.map((text) => text.replace(/\s+/g, " ").trim()).filter(Boolean);
    this.text.value = lines.slice(0, TAKEN).join("\n");
    this.count();
  }

  /** How many inputs there are. */
  count() {
    const { length: n } = this.reads ? linesOf(this.text.value) : this.examples;
    this.field.hidden = this.take.hidden = !this.reads;
    if (!this.reads) setText(this.counted, t(n ? "corpusOnlyExamples" : "corpusNone", { n }));
    else setText(this.counted, t(n === 1 ? "corpusCountOne" : "corpusCount", { n }));
    this.job.start.disabled = n === 0;
  }

  /** @override @returns {Result | null} of the model on show */
  get found() {
    return this.kept?.get(this.session?.summary.model ?? "")?.result ?? null;
  }

  /** It needs no file of the input on show. @override @param {Session} session */
  lack(session) {
    return Sheet.prototype.lack.call(this, session);
  }

  /** What runs is about a model, not about the input on show. @override @param {Session | null} session */
  taken(session) {
    const before = this.session;
    Sheet.prototype.taken.call(this, session);
    if (session?.summary.model === before?.summary.model) return;
    this.job.forget();
    this.text.value = "";
    if (session) this.fill();
  }

  /** @override */
  asked() {
    const { session } = this;
    if (!session) return {};
    const { parameters = {} } = bodyOf(session.draft, session.model);
    const { inputs, targets } = this.reads ? parsed(this.text.value) : { inputs: this.examples.map(plain), targets: [] };
    this.sent = inputs;
    const given = session.summary.task === CONTINUES ? { ...parameters, max_new_tokens: 1 } : parameters;
    const outputs = targets.length === inputs.length && targets.every((target) => target !== null) ? { targets } : {};
    return { kind: "corpus", model: session.summary.model, inputs, parameters: given, ...outputs };
  }

  /** @override @param {Result} result */
  came(result) {
    this.kept.set(result.model, { result, inputs: this.sent });
    for (const axis of /** @type {const} */ (["x", "y"])) {
      const { value } = this.axes[axis];
      const first = result.metrics.includes(FIRST[axis]) ? FIRST[axis] : (result.metrics[0] ?? "");
      this.axes[axis].dataset.wanted = result.metrics.includes(value) ? value : first;
    }
    if (this.active) this.opened();
  }

  /** @override */
  opened() {
    this.count();
    super.opened();
  }

  /** The head on show is the one that is chosen. @override @param {import("../features.js").Shown} shown */
  use(shown) {
    super.use(shown);
    if (this.active && this.found) this.print(this.found);
  }

  /** @param {number} index of a row */
  choose(index) {
    const { site, layer, head } = this.found?.heads[index] ?? {};
    if (site) this.explorer.go({ site, layer, head, over: "" }, "push");
  }

  /** @override @param {Result} result */
  print(result) {
    this.result.hidden = false;
    for (const menu of Object.values(this.axes)) {
      const wanted = menu.value || menu.dataset.wanted;
      menu.replaceChildren(...result.metrics.map((name) => element("option", { value: name, selected: name === wanted }, called(name))));
    }
    const [x, y] = [this.axes.x.value, this.axes.y.value];
    const { site, layer, head } = this.explorer.state;
    /** @param {Row} row */
    const isShown = (row) => row.site === site && row.layer === layer && row.head === head;
    const sites = result.sites.map(({ name }) => name);
    const groups = sites.map((name, hue) => ({
      name: siteName(name),
      hue,
      points: result.heads.flatMap((row, id) => {
        const [across, up] = [meanOf(row, x), meanOf(row, y)];
        if (row.site !== name || across === null || up === null) return [];
        return [{ id, name: `${nameOf(row)}${kindsSaid(row)}`, x: across, y: up, chosen: isShown(row) }];
      }),
    }));
    this.legend.replaceChildren(...sites.map((name, hue) => legendEntry(siteName(name), hue)));
    const title = t("corpusTitle", { n: result.heads.length, sequences: result.recorded, tokens: result.tokens });
    const label = t("corpusScatter", { title, x: called(x), y: called(y) });
    this.scatter.show({ title, label, columns: [t("corpusHead"), called(x), called(y)], groups });
    this.tell(result, result.heads.find(isShown), y);
    const failed = result.predictions.flatMap((answer) => ("parts" in answer ? answer.parts : [answer])).filter(({ error }) => error);
    const least = [...new Set(result.sites.map((each) => figure(each.least)))].join(", ");
    const lost = failed.length ? [t("corpusFailed", { n: failed.length, detail: failed[0].error?.detail ?? "" })] : [];
    this.note.textContent = [t("corpusNote", { least }), ...lost].join(" ");
  }

  /** The chosen head, and the inputs in which it has most of a measure. @param {Result} result @param {Row | undefined} row @param {string} metric */
  tell(result, row, metric) {
    if (!row) return this.chosen.replaceChildren(element("p", { class: "quiet small" }, t("corpusElsewhere")));
    const value = { metric: called(metric), value: figure(meanOf(row, metric)), deviation: figure(row.deviation[metric]) };
    const top = row.top[metric] ?? [];
    const items = top.flatMap(([number, most]) => {
      const passage = result.passages.find((each) => each.number === number);
      if (!passage) return [];
      const click = () => this.ask(passage, row);
      const words = element("bdi", {}, isolated(passage.text || `${passage.input + 1}`));
      const button = element("button", { type: "button", class: "corpus-passage", title: t("corpusOpen"), on: { click } }, words);
      return [element("li", {}, element("span", { class: "quiet small tabular" }, figure(most)), " ", button)];
    });
    this.chosen.replaceChildren(
      element("h3", {}, headLink(this.explorer, row), kindsSaid(row)),
      element("p", { class: "small tabular" }, t("corpusValue", value)),
      element("p", { class: "quiet small" }, t(items.length ? "corpusTop" : "corpusNoTop")),
      element("ol", { class: "corpus-top" }, ...items),
    );
  }

  /** Asks about one of the inputs, and shows the head's map of it. @param {Passage} passage @param {Row} row */
  async ask({ input, start, stop }, { site, layer, head }) {
    const model = this.session?.summary.model ?? "";
    const example = this.kept.get(model)?.inputs[input];
    if (example === undefined) return;
    if (byId("model").value !== model) {
      byId("model").value = model;
      this.form.refresh();
    }
    const part = typeof example === "string" && start !== undefined ? [...example].slice(start, stop).join("").trim() : example;
    this.form.inputs.fillExample(part, String(input + 1));
    this.form.stale();
    await this.run({ site, layer, head, over: "", view: "" });
  }

  /** @override */
  translate() {
    super.translate();
    this.name.textContent = t("corpusInputs");
    this.take.textContent = t("corpusExamples");
    this.across.textContent = t("corpusAcross");
    this.up.textContent = t("corpusUp");
    this.count();
  }
}

/** An example as an input: its labels stand among the parameters. @param {Input} example @returns {Input} */
const plain = (example) =>
  typeof example === "string" ? example : Object.fromEntries(Object.entries(example).filter(([name]) => name !== "candidate_labels"));

/** @param {Row} row */
const nameOf = ({ site, layer, head }) => `${siteName(site)} · ${t("headName", { layer, head })}`;
