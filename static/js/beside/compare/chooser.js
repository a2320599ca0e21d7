/** With what a map is compared: another head of the answer, its unedited pass, another input, another model. */

import { t } from "../../text/i18n.js";
import { measureName } from "../../text/measures.js";
import { fillSelect } from "../../views/controls.js";
import { element } from "../../views/dom.js";
import { isAskable } from "../../source/unedited.js";
import { HERE, UNEDITED } from "./other.js";
import { fieldOf } from "./sides.js";

/** @typedef {import("../../source/session.js").Session} Session */
/** @typedef {import("../../types.js").Model} Model */
/** @typedef {import("../../types.js").Site} Site */
/** @typedef {import("./other.js").Other} Other */

const INPUT = "input";
const TRACE = "trace";
const MODEL = "model:";
const MEASURE = "measure:";

export class Chooser {
  /**
   * @param {object} on
   * @param {(other: Partial<Other>) => void} on.choose
   * @param {(wanted: {text?: string, model?: string}) => void} on.ask
   * @param {() => void} on.swap
   */
  constructor(on) {
    this.on = on;
    this.kind = element("select", { id: "compare-kind", on: { change: () => this.chosen() } });
    this.layer = element("select", { id: "compare-layer", on: { change: () => this.placed() } });
    this.head = element("select", { id: "compare-head", on: { change: () => this.placed() } });
    this.text = element("input", { type: "text", id: "compare-text", dir: "auto", spellcheck: false, autocomplete: "off" });
    this.submit = element("button", { type: "submit", class: "small" });
    this.form = element(
      "form",
      {
        class: "compare-form",
        hidden: true,
        on: {
          submit: (event) => {
            event.preventDefault();
            if (this.text.value.trim()) this.on.ask({ text: this.text.value });
          },
        },
      },
      this.text,
      this.submit,
    );
    this.swap = element("button", { type: "button", class: "small", id: "compare-swap", on: { click: () => this.on.swap() } });
    this.names = { kind: element("span", { class: "caption" }), layer: element("span", { class: "caption" }), head: element("span", { class: "caption" }) };
    /** @param {HTMLElement} name @param {HTMLElement} select */
    const field = (name, select) => element("label", { class: "inline" }, name, select);
    this.root = element(
      "div",
      { class: "compare-bar" },
      field(this.names.kind, this.kind),
      this.form,
      field(this.names.layer, this.layer),
      field(this.names.head, this.head),
      this.swap,
    );
    /** @type {Other} */
    this.other = { from: HERE, layer: 0, head: 0, measure: "" };
    this.typing = false; // another input is chosen and not there yet
  }

  /** What the first menu says, and what that asks for. */
  chosen() {
    const { value } = this.kind;
    this.typing = value === INPUT;
    this.form.hidden = !this.typing;
    if (this.typing) return this.text.focus();
    if (value === HERE || value === UNEDITED) this.on.choose({ from: value });
    else if (value.startsWith(MEASURE)) this.on.choose({ from: HERE, measure: value.slice(MEASURE.length) });
    else if (value.startsWith(MODEL)) this.on.ask({ model: value.slice(MODEL.length) });
  }

  /** In the page's language. */
  translate() {
    const { kind, layer, head } = this.names;
    kind.textContent = t("compareWith");
    layer.textContent = t("compareLayer");
    head.textContent = t("compareAt");
    this.text.setAttribute("aria-label", t("compareText"));
    this.text.placeholder = t("compareText");
    this.submit.textContent = t("compareAsk");
    this.swap.textContent = t("compareSwap");
    this.swap.title = t("compareSwapTitle");
  }

  placed() {
    this.on.choose({ layer: Number(this.layer.value), head: Number(this.head.value) });
  }

  /**
   * @param {Session} session on show
   * @param {Site} site of the other side
   * @param {Other} other
   * @param {object} more
   * @param {Model[]} more.models
   * @param {import("../../types.js").Measure[]} more.measures
   * @param {string} more.name of the other answer
   * @param {string} more.model of the other answer
   */
  show(session, site, other, { models, measures, name, model: modelName }) {
    this.other = other;
    const { kind } = this;
    const askable = isAskable(session);
    const answered = other.from !== HERE && other.from !== UNEDITED;
    const byModel = answered && modelName !== session.summary.model && models.some((model) => model.name === modelName);
    /** @type {[string, string][]} */
    const options = [[HERE, t("compareHead")]];
    if (session.draft.edits?.length && askable) options.push([UNEDITED, t("compareUnedited")]);
    if (askable && fieldOf(session)) options.push([INPUT, t("compareInput")]);
    const peers = models.filter((model) => model.task === session.summary.task && model.name !== session.summary.model);
    if (askable) options.push(...peers.map((model) => /** @type {[string, string]} */ ([MODEL + model.name, t("compareModel", { name: model.name })])));
    for (const measure of measures) options.push([MEASURE + measure.name, t("compareMeasure", { name: measureName(measure.name) })]);
    const typed = answered && !byModel && fieldOf(session) !== null && askable;
    if (answered && !byModel && !typed) options.push([TRACE, t("compareTrace")]);
    fillSelect(kind, options);
    kind.value = other.measure ? MEASURE + other.measure : !answered ? other.from : byModel ? MODEL + modelName : typed ? INPUT : TRACE;
    if (answered) this.typing = false;
    if (this.typing) kind.value = INPUT;
    this.form.hidden = !(typed || this.typing);
    if (typed && document.activeElement !== this.text) this.text.value = name;
    /** @param {number} count @returns {[string, string][]} */
    const numbers = (count) => Array.from({ length: count }, (_, at) => [String(at), String(at)]);
    fillSelect(this.layer, numbers(site.layers));
    fillSelect(this.head, numbers(site.heads));
    this.layer.value = String(other.layer);
    this.head.value = String(other.head);
    this.translate();
    this.swap.hidden = other.from !== HERE || other.measure !== "";
  }
}
