/** How the kept cell's weight arose: the steps from its query and key to the weight and to what it hands on. */

import { asError, isAbort } from "../../api/request.js";
import { t } from "../../text/i18n.js";
import { withBytesApart } from "../../text/isolate.js";
import { tokenText } from "../../text/words.js";
import { announce } from "../../views/controls.js";
import { element } from "../../views/dom.js";
import { formula } from "./formula.js";
import { stepsOf } from "./steps.js";
import { stripOf } from "./strip.js";
import { unfold } from "./unfold.js";

/** @typedef {import("../../types.js").Axis} Axis */
/** @typedef {import("../../types.js").Cell} Cell */
/** @typedef {import("../../source/evaluate.js").LayerMaps} LayerMaps */
/** @typedef {import("./steps.js").Step} Step */
/**
 * @typedef {object} Place the head on show
 * @property {string} site
 * @property {number} layer
 * @property {number} head
 * @property {Axis} queries
 * @property {Axis} keys
 * @property {number | null} error the certificate's, of this head
 * @property {number} bytes of the trace's tensors; 0 where that is not known
 * @property {() => Promise<LayerMaps>} tensors of the layer
 */

const LARGE = 1 << 26; // bytes that are fetched only when somebody says so

export class Derivation {
  /** @param {HTMLElement} root an empty section @param {{choose: (cell: Cell) => void}} on */
  constructor(root, on) {
    this.on = on;
    /** @type {Place | null} */
    this.place = null;
    /** @type {Cell | null} */
    this.cell = null;
    /** @type {Step[]} */
    this.steps = [];
    this.at = 0;
    this.whole = false; // whether all steps stand there at once
    this.agreed = false; // to fetch what is large
    this.turn = 0;
    this.width = 0;
    /** @type {((width: number) => void)[]} of the strips on show */
    this.draws = [];
    this.title = element("summary", {});
    this.lead = element("p", { class: "small" });
    this.back = element("button", { type: "button", class: "small", on: { click: () => this.go(-1) } });
    this.next = element("button", { type: "button", class: "small", on: { click: () => this.go(1) } });
    this.all = element("button", { type: "button", class: "small", on: { click: () => this.toggleAll() } });
    this.count = element("span", { class: "quiet small tabular" });
    this.bar = element("div", { class: "derivation-bar", role: "group" }, this.back, this.next, this.count, this.all);
    this.list = element("ol", { class: "derivation-steps" });
    this.notice = element("p", { class: "small", role: "alert", hidden: true });
    this.details = element("details", { class: "derivation" }, this.title, this.lead, this.bar, this.notice, this.list);
    this.details.addEventListener("toggle", () => this.refresh());
    root.append(this.details);
    new ResizeObserver(() => this.fit()).observe(this.list);
    this.translate();
  }

  /** Another language. */
  translate() {
    this.title.textContent = t("derive");
    this.title.title = t("deriveTitle");
    this.back.textContent = t("deriveBack");
    this.next.textContent = t("deriveNext");
    this.all.textContent = t(this.whole ? "deriveOne" : "deriveAll");
    this.bar.setAttribute("aria-label", t("deriveSteps"));
    this.refresh();
  }

  /** @param {Place} place */
  use(place) {
    this.place = place;
    this.cell = null;
    this.steps = [];
  }

  /** @param {Cell} kept */
  show(kept) {
    if (this.cell?.row === kept.row && this.cell?.col === kept.col && this.steps.length) return;
    this.cell = kept;
    this.refresh();
  }

  /** Opens or closes it, for a key. */
  toggle() {
    this.details.open = !this.details.open;
    if (this.details.open) this.title.focus();
  }

  toggleAll() {
    this.whole = !this.whole;
    this.print();
  }

  /** A step on or back; opens it first. @param {number} by */
  go(by) {
    if (!this.details.open) return this.toggle();
    if (!this.steps.length) return;
    this.whole = false;
    this.at = Math.min(Math.max(this.at + by, 0), this.steps.length - 1);
    this.print();
    this.list.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" });
    const { name, values } = this.steps[this.at];
    announce(`${t(`derive_${name}`)} ${t(`derive_${name}_text`, values)}`);
  }

  /** Computes anew where it is open; what was asked for before is overtaken. */
  async refresh() {
    const turn = (this.turn += 1);
    const { place, cell } = this;
    if (!this.details.open || !place || !cell) return;
    if (place.bytes > LARGE && !this.agreed) return this.offer(place);
    try {
      const maps = await place.tensors();
      if (turn !== this.turn) return;
      this.notice.hidden = true;
      const before = this.steps[this.at]?.name;
      this.steps = stepsOf(unfold(maps, place.head, cell.row, cell.col), place.error);
      const same = this.steps.findIndex(({ name }) => name === before);
      this.at = same >= 0 ? same : Math.min(this.at, this.steps.length - 1);
      this.print();
    } catch (error) {
      if (turn !== this.turn || isAbort(error)) return;
      this.steps = [];
      this.print();
      this.say(t("deriveFailed", { detail: asError(error).message }), t("deriveAgain"), () => this.refresh());
    }
  }

  /** Asks before it fetches much. @param {Place} place */
  offer({ bytes }) {
    this.steps = [];
    this.print();
    this.say(t("deriveLarge", { size: Math.round(bytes / 1e6) }), t("deriveFetch"), () => {
      this.agreed = true;
      this.notice.hidden = true;
      this.refresh();
    });
  }

  /** @param {string} text @param {string} label of the button beside it @param {() => void} click */
  say(text, label, click) {
    this.notice.hidden = false;
    this.notice.replaceChildren(text, " ", element("button", { type: "button", class: "small", on: { click } }, label));
  }

  print() {
    const { steps, at, whole, cell, place } = this;
    this.bar.hidden = this.lead.hidden = !steps.length;
    this.draws = [];
    if (!place || !cell) return this.list.replaceChildren();
    this.lead.replaceChildren(...said(t("deriveLead"), place, cell));
    this.all.textContent = t(whole ? "deriveOne" : "deriveAll");
    this.back.disabled = whole || at === 0;
    this.next.disabled = whole || at >= steps.length - 1;
    this.count.textContent = whole ? "" : t("deriveCount", { at: at + 1, of: steps.length });
    const shown = whole ? steps : steps.slice(0, at + 1);
    this.list.replaceChildren(...shown.map((step, index) => this.item(step, whole || index === at, !whole && index === at)));
    this.fit(true);
  }

  /** A step whole, or its name and last formula. @param {Step} step @param {boolean} whole @param {boolean} current */
  item(step, whole, current) {
    const lines = (whole ? step.lines : step.lines.slice(-1)).map((line) => element("p", { class: "derivation-line" }, formula(line)));
    const parts = [element("h3", { class: "derivation-name" }, t(`derive_${step.name}`))];
    const text = element("p", { class: "small quiet" }, t(`derive_${step.name}_text`, step.values));
    const strips = whole ? step.strips.map((strip) => this.strip(strip)) : [];
    const state = current ? { "aria-current": "step" } : {};
    const content = whole ? [...parts, text, ...strips, ...lines] : [...parts, ...lines];
    return element("li", { class: whole ? "" : "past", data: { step: step.name }, ...state }, ...content);
  }

  /** @param {import("./steps.js").Strip} strip */
  strip(strip) {
    const { place, cell } = this;
    const { node, draw } = stripOf(
      strip,
      (key) => (place ? tokenText(place.keys, key) : ""),
      (col) => cell && this.on.choose({ row: cell.row, col }),
    );
    this.draws.push(draw);
    return node;
  }

  /** Draws the strips as wide as their room. @param {boolean} [anew] even where that is as it was */
  fit(anew = false) {
    const room = this.list.querySelector("figure")?.clientWidth ?? 0;
    if (!room || (!anew && room === this.width)) return;
    this.width = room;
    for (const draw of this.draws) draw(room);
  }
}

/** A sentence with the cell's tokens, each in a direction of its own. @param {string} text @param {Place} place @param {Cell} cell */
function said(text, { queries, keys }, { row, col }) {
  /** @type {Record<string, string>} */
  const tokens = { query: tokenText(queries, row), key: tokenText(keys, col), i: String(row), j: String(col) };
  return text
    .split(/<(\w+)>/)
    .map((part, at) => (at % 2 ? element("bdi", { class: part.length > 1 ? "token" : "" }, withBytesApart(tokens[part])) : part));
}
