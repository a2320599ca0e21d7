/** The options of a task: parameters that readers may set; what they leave alone is the service's to choose. */

import { byId, element } from "../views/dom.js";
import { t } from "../text/i18n.js";
import { OPTIONS } from "./tasks.js";

/** @typedef {Record<string, string | number | boolean>} Parameters */

/** @param {string | boolean} value */
function choiceOf(value) {
  const name = typeof value === "boolean" ? t(value ? "yes" : "no") : value;
  return element("option", { value: JSON.stringify(value) }, name);
}

/** @returns {any} the control of an option */
function control(name, value) {
  const { kind, choices = [], least, most } = OPTIONS[name];
  const shared = { id: `option-${name}`, name, data: { option: kind } };
  if (kind === "switch") return element("input", { ...shared, type: "checkbox", checked: value === true });
  if (kind === "choice") {
    const select = element("select", shared, element("option", { value: "" }, t("standard")), ...choices.map(choiceOf));
    /** @type {HTMLSelectElement} */ (select).value = value === undefined ? "" : JSON.stringify(value);
    return select;
  }
  const written = { ...shared, value: value ?? "", placeholder: t("standard"), autocomplete: "off" };
  if (kind === "word") return element("input", { ...written, type: "text", spellcheck: false });
  const bounds = { ...(least === undefined ? {} : { min: least }), ...(most === undefined ? {} : { max: most }) };
  return element("input", { ...written, ...bounds, type: "number", step: kind === "whole" ? "1" : "any" });
}

/** @param {string[]} names @param {Parameters} values those that are set */
export function showOptions(names, values) {
  byId("options").hidden = names.length === 0;
  byId("options-list").replaceChildren(
    ...names.map((name) => {
      const kind = OPTIONS[name].kind === "switch" ? "option switch" : "option";
      return element("label", { class: kind, title: name }, element("span", {}, t(name)), control(name, values[name]));
    }),
  );
}

/** @returns {Parameters} the options that are not left to the service */
export function readOptions() {
  /** @type {Parameters} */
  const found = {};
  for (const { name, value, checked, dataset } of byId("options-list").querySelectorAll("[data-option]")) {
    const kind = dataset.option;
    if (kind === "switch" ? !checked : value.trim() === "") continue;
    found[name] =
      kind === "switch" || (kind === "choice" ? JSON.parse(value) : kind === "word" ? value.trim() : Number(value));
  }
  return found;
}
