/** The page's language: looks texts up and puts them into the document. */

import { language } from "../preferences.js";
import { STRINGS } from "./strings.js";

let current = language();

/**
 * @param {string} name of a text in strings.js
 * @param {Record<string, string | number>} [values]
 */
export function t(name, values = {}) {
  const text = STRINGS[current][name] ?? name;
  return text.replace(/\{(\w+)\}/g, (whole, key) => String(values[key] ?? whole));
}

/** The first of some texts that there is. */
function known(...names) {
  return names.find((name) => name in STRINGS[current]);
}

const capital = (word) => `${word[0].toUpperCase()}${word.slice(1)}`;

/** A name with a number at its end, such as stage2. */
const numbered = (name) => /^([a-z]+)(\d+)$/.exec(name) ?? [name, name, ""];

/** A site's name as people read it; one that the page does not know keeps its own. */
export function siteName(site) {
  const [, name, n] = numbered(site);
  const found = known(`site${capital(name)}`);
  return found ? t(found, { n }) : site;
}

/** What a site's map shows, where that can be said. */
export function siteTitle(site) {
  const found = known(`site${capital(numbered(site)[1])}Title`);
  return found ? t(found) : siteName(site);
}

/** A task's name as people read it. */
export function taskName(task) {
  if (!task) return t("taskUnknown"); // a model that has never been loaded may not tell
  const found = known(`task_${task}`);
  return found ? t(found) : task;
}

/** An axis's name as people read it; an output is called by its task. */
export function axisName(axis, task) {
  const [, name, n] = numbered(axis);
  const found = known(`axis${capital(name)}_${task}`, `axis${capital(name)}`);
  return found ? t(found, { n }) : axis;
}

/** The title of a text. */
export function textName(name, task) {
  const found = known(`${name}_${task}`, name);
  return found ? t(found) : name;
}

/** @param {"en" | "zh"} value */
export function useLanguage(value) {
  current = value;
  document.documentElement.lang = value === "zh" ? "zh-Hans" : "en";
  for (const node of document.querySelectorAll("[data-t]")) node.textContent = t(node.dataset.t);
  for (const node of document.querySelectorAll("[data-t-title]")) node.title = t(node.dataset.tTitle);
  for (const node of document.querySelectorAll("[data-t-label]"))
    node.setAttribute("aria-label", t(node.dataset.tLabel));
}
