/** The options of a model: parameters that readers may set; what they leave alone is the service's to choose. */

import { t } from "../text/i18n.js";
import { byId, element } from "../views/dom.js";

/** @typedef {import("../types.js").Value} Value */
/** @typedef {import("./tasks.js").Option} Option */
/** @typedef {Record<string, Value>} Parameters */

/** A value as people read it. @param {Value} value */
const nameOf = (value) => (typeof value === "boolean" ? t(value ? "yes" : "no") : String(value));

/** What an option is called; one that has another meaning where tokens are sampled has another name there. */
function optionName(/** @type {string} */ name, /** @type {boolean} */ sampled) {
  return t(name === "top_k" && sampled ? "top_k_sampled" : name);
}

const IDS = /^\[\s*\d+(\s*,\s*\d+)*\s*\]$/; // the ids of a beginning, where it is not a text

/** The control of an option. @param {string} name @param {Option} option @param {Value | undefined} value */
function control(name, { kind, choices = [], least, most, standard }, value) {
  const shared = { id: `option-${name}`, name, data: { option: kind } };
  if (kind === "switch") return element("input", { ...shared, type: "checkbox", checked: value === true });
  const left = standard === undefined || standard === "" ? t("standard") : t("standardIs", { value: nameOf(standard) });
  if (kind === "choice") {
    const offered = choices.map((choice) =>
      element("option", { value: JSON.stringify(choice), dir: "auto" }, nameOf(choice)),
    );
    const select = element("select", shared, element("option", { value: "" }, left), ...offered);
    select.value = value === undefined ? "" : JSON.stringify(value);
    if (select.selectedIndex < 0) select.value = ""; // a link may ask for what this model does not have
    return select;
  }
  if (kind === "turns") return element("input", { ...shared, type: "hidden", value: String(value ?? "") });
  if (kind === "begin") value = Array.isArray(value) ? `[${value.join(", ")}]` : value;
  const written = { ...shared, value: value ?? "", placeholder: left, autocomplete: "off", dir: "auto" };
  if (kind === "word" || kind === "begin") return element("input", { ...written, type: "text", spellcheck: false });
  const bounds = { ...(least === undefined ? {} : { min: least }), ...(most === undefined ? {} : { max: most }) };
  return element("input", { ...written, ...bounds, type: "number", step: kind === "whole" ? "1" : "any" });
}

/** @param {Record<string, Option>} options @param {Parameters} values those that are set */
export function showOptions(options, values) {
  const list = Object.entries(options);
  const sampled = "do_sample" in options;
  byId("options").hidden = list.length === 0;
  byId("options-list").replaceChildren(
    ...list.map(([name, option]) => {
      if (option.kind === "turns") return control(name, option, values[name]);
      const shape = option.kind === "switch" ? "option switch" : "option";
      const title = element("span", {}, optionName(name, sampled));
      return element("label", { class: shape, title: name }, title, control(name, option, values[name]));
    }),
  );
  countOptions();
}

/** The closed menu says how many are set. */
export function countOptions() {
  const count = Object.keys(readOptions()).filter((name) => name !== "turns").length;
  const summary = byId("options").querySelector("summary");
  summary?.classList.toggle("set", count > 0);
  if (summary) summary.textContent = t("options") + (count ? ` · ${count}` : "");
}

/** @returns {Parameters} the options that are not left to the service */
export function readOptions() {
  /** @type {Parameters} */
  const parameters = {};
  /** @type {NodeListOf<HTMLInputElement | HTMLSelectElement>} */
  const controls = byId("options-list").querySelectorAll("[data-option]");
  for (const node of controls) {
    const { name, value, dataset } = node;
    const kind = dataset.option;
    if (kind === "switch") {
      if (node instanceof HTMLInputElement && node.checked) parameters[name] = true;
    } else if (kind === "begin" && !IDS.test(value.trim())) {
      if (value !== "") parameters[name] = value; // its blanks count
    } else if (value.trim() !== "") {
      parameters[name] = kind === "choice" || kind === "begin" ? JSON.parse(value) : kind === "word" || kind === "turns" ? value.trim() : Number(value);
    }
  }
  return parameters;
}
