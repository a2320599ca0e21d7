/** Which heads the ribbons are of, from which weight on, and the legend that names them. */

import { t } from "../../text/i18n.js";
import { element } from "../../views/dom.js";
import { HUES } from "./lines.js";

/** @typedef {import("../../types.js").Head} Head */
/** @typedef {import("../../types.js").Site} Site */
/** @typedef {"head" | "mean" | "several"} Mode */

/** @type {Mode[]} */
export const MODES = ["head", "mean", "several"];
const LEASTS = [0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5];
const USUAL = 2; // of these

/** @param {Head} a @param {Head} b */
const same = (a, b) => a.layer === b.layer && a.head === b.head;

export class Chosen {
  /** @param {{changed: () => void, redraw: () => void}} on `changed`: other heads; `redraw`: the same, drawn otherwise */
  constructor(on) {
    this.on = on;
    /** @type {Mode} */
    this.mode = "head";
    /** @type {Head} on show */
    this.head = { layer: 0, head: 0 };
    /** @type {Site | null} */
    this.site = null;
    /** @type {Head[]} in the order of their hues */
    this.pinned = [];
    this.least = LEASTS[USUAL];
    this.modes = element("div", { class: "choice", role: "radiogroup" });
    this.legend = element("div", { class: "ribbon-legend" });
    const last = LEASTS.length - 1;
    this.slider = element("input", { type: "range", min: "0", max: String(last), value: String(USUAL), id: "ribbon-least" });
    this.slider.addEventListener("input", () => this.restrict(LEASTS[Number(this.slider.value)]));
    this.name = element("span", { class: "caption" });
    this.value = element("output", { class: "small tabular", for: "ribbon-least" });
    const least = element("label", { class: "inline ribbon-least" }, this.name, this.slider, this.value);
    this.root = element("div", { class: "ribbon-bar" }, this.modes, this.legend, least);
    this.translate();
  }

  /** @param {number} least */
  restrict(least) {
    this.least = least;
    this.value.textContent = String(least);
    this.on.redraw();
  }

  translate() {
    this.modes.setAttribute("aria-label", t("ribbonHeads"));
    this.modes.replaceChildren(
      ...MODES.map((mode) => {
        const checked = mode === this.mode;
        const on = { change: () => this.turn(mode) };
        const input = element("input", { type: "radio", name: "ribbon-heads", value: mode, checked, on });
        return element("label", { class: "choice-item" }, input, element("span", {}, t(`ribbonHeads_${mode}`)));
      }),
    );
    this.name.textContent = t("ribbonLeast");
    this.value.textContent = String(this.least);
    this.print();
  }

  /** @param {Mode} mode */
  turn(mode) {
    this.mode = mode;
    for (const input of this.modes.querySelectorAll("input")) input.checked = input.value === mode;
    if (mode === "several" && !this.pinned.length) this.pinLayer();
    this.print();
    this.on.changed();
  }

  /** The next way of choosing heads, for a key. */
  step() {
    this.turn(MODES[(MODES.indexOf(this.mode) + 1) % MODES.length]);
  }

  /** @param {Head} head on show @param {Site} site */
  use(head, site) {
    this.head = head;
    this.site = site;
    if (this.mode === "several" && !this.pinned.length) this.pinLayer();
    this.print();
  }

  /** Another site has other heads. */
  forget() {
    this.pinned = [];
  }

  /** As many heads of the layer as have a hue, the one on show among them. */
  pinLayer() {
    const { layer, head } = this.head;
    const heads = Array.from({ length: this.site?.heads ?? 1 }, (_, index) => ({ layer, head: index }));
    const first = heads.slice(0, HUES);
    if (head >= HUES) first[HUES - 1] = { layer, head };
    this.pinned = first;
  }

  /** Adds the head on show to the several, or takes it out. */
  pin() {
    if (this.mode !== "several") return this.turn("several");
    const { head } = this;
    if (this.pinned.some((other) => same(other, head))) this.drop(head);
    else if (this.pinned.length < HUES) this.add();
  }

  add() {
    this.pinned = [...this.pinned, this.head];
    this.print();
    this.on.changed();
  }

  /** @param {Head} head */
  drop(head) {
    if (this.pinned.length < 2) return;
    this.pinned = this.pinned.filter((other) => !same(other, head));
    this.print();
    this.on.changed();
  }

  /** The heads whose maps are wanted. @returns {Head[]} */
  heads() {
    const { layer } = this.head;
    if (this.mode === "mean") return Array.from({ length: this.site?.heads ?? 1 }, (_, head) => ({ layer, head }));
    return this.mode === "several" ? this.pinned : [this.head];
  }

  print() {
    const { layer } = this.head;
    if (this.mode === "head") return this.legend.replaceChildren(entry(0, t("ribbonHead", this.head)));
    if (this.mode === "mean") return this.legend.replaceChildren(entry(0, t("ribbonMean", { layer })));
    const full = this.pinned.length >= HUES || this.pinned.some((other) => same(other, this.head));
    const add = element("button", { type: "button", class: "small", on: { click: () => this.add() } });
    add.textContent = t("ribbonAdd", this.head);
    this.legend.replaceChildren(
      ...this.pinned.map((head, hue) => {
        const label = t("ribbonDrop", head);
        const on = { click: () => this.drop(head) };
        const button = { type: "button", class: "plain small", "aria-label": label, title: label, on };
        const drop = this.pinned.length > 1 ? [element("button", button, "×")] : [];
        return element("span", { class: "ribbon-entry" }, entry(hue, t("ribbonHead", head)), ...drop);
      }),
      ...(full ? [] : [add]),
    );
  }
}

/** A hue and what it stands for. @param {number} hue @param {string} name */
function entry(hue, name) {
  const swatch = element("span", { class: `ribbon-swatch hue-${hue}`, "aria-hidden": "true" });
  return element("span", { class: "ribbon-name small tabular" }, swatch, name);
}
