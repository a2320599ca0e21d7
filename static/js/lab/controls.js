/** Controls of figures: a choice of few, a slider with its value, a button. Their words follow the language. */

import { t } from "../text/i18n.js";
import { element } from "../views/dom.js";

let groups = 0;

/**
 * One of a few.
 *
 * @param {string} label name of its text
 * @param {string[]} names
 * @param {(name: string) => string} textOf name of each one's text
 * @param {string} value
 * @param {(name: string) => void} changed
 */
export function choice(label, names, textOf, value, changed) {
  const group = `lab-choice-${(groups += 1)}`;
  const items = names.map((name) => {
    const input = element("input", { type: "radio", name: group, value: name, checked: name === value, on: { change: () => changed(name) } });
    return element("label", { class: "choice-item" }, input, element("span", { data: { t: textOf(name) } }, t(textOf(name))));
  });
  return element("div", { class: "choice", role: "radiogroup", "aria-label": t(label), data: { tLabel: label } }, ...items);
}

/** Which of a choice is taken. @param {HTMLElement} root of `choice` @param {string} name */
export function choose(root, name) {
  for (const input of root.querySelectorAll("input")) input.checked = input.value === name;
}

/**
 * A number on a line.
 *
 * @param {string} label name of its text
 * @param {{min: number, max: number, step: number, value: number}} range
 * @param {(value: number) => string} write
 * @param {(value: number) => void} changed
 */
export function slider(label, { min, max, step, value }, write, changed) {
  const output = element("output", {}, write(value));
  const input = element("input", { type: "range", min: String(min), max: String(max), step: String(step) });
  input.value = String(value);
  const moved = () => {
    output.textContent = write(Number(input.value));
    changed(Number(input.value));
  };
  input.addEventListener("input", moved);
  return element("label", { class: "inline" }, element("span", { data: { t: label } }, t(label)), input, output);
}

/** Sets a slider's value, and says it. @param {HTMLElement} root of `slider` @param {number} value @param {(value: number) => string} write */
export function slide(root, value, write) {
  const [input, output] = [root.querySelector("input"), root.querySelector("output")];
  if (input) input.value = String(value);
  if (output) output.textContent = write(value);
}

/** @param {string} text name of its text @param {() => void} pressed @param {string} [kind] class */
export function button(text, pressed, kind = "") {
  return element("button", { type: "button", class: kind, data: { t: text }, on: { click: pressed } }, t(text));
}

/** The button that begins a measurement which takes a while, and how far it is. */
export class Runner {
  /** @param {() => void} begin */
  constructor(begin) {
    this.button = button("labRun", begin, "main");
    this.progress = element("span", { class: "quiet small tabular", role: "status" });
    this.root = element("div", { class: "controls" }, this.button, this.progress);
  }

  /** @param {number} done @param {number} of */
  told(done, of) {
    this.progress.textContent = t("labProgress", { done, of });
  }

  /** It is over, and can be begun again. */
  ended() {
    this.progress.textContent = "";
    this.button.dataset.t = "labRunAgain";
    this.button.textContent = t("labRunAgain");
  }
}

/**
 * A table whose first column names its rows.
 *
 * @param {string} caption
 * @param {string[]} head
 * @param {(Node | string)[][]} rows
 */
export function table(caption, head, rows) {
  /** @param {(Node | string)[]} cells */
  const line = (cells) => element("tr", {}, ...cells.map((cell, at) => (at ? element("td", {}, cell) : element("th", { scope: "row" }, cell))));
  return element(
    "table",
    {},
    element("caption", { class: "caption" }, caption),
    element("thead", {}, element("tr", {}, ...head.map((name) => element("th", { scope: "col" }, name)))),
    element("tbody", {}, ...rows.map(line)),
  );
}
