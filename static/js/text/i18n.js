/** The page's language: looks texts up and puts them into the document. */

import { language } from "../preferences.js";
import { STRINGS } from "./strings.js";

let current = language();

/** Texts of another page, beside the explorer's. @param {{en: Record<string, string>, zh: Record<string, string>}} texts */
export function learn({ en, zh }) {
  Object.assign(STRINGS.en, en);
  Object.assign(STRINGS.zh, zh);
}

/**
 * @param {string} name of a text in strings.js
 * @param {Record<string, string | number>} [values]
 * @param {string} [general] the text where there is none of that name
 */
export function t(name, values = {}, general = name) {
  /** @type {Record<string, string>} */
  const texts = STRINGS[current];
  const text = texts[name] ?? texts[general] ?? name;
  return text.replace(/\{(\w+)\}/g, (whole, key) => String(values[key] ?? whole));
}

/** The first of some texts that there is. @param {...string} names */
export function known(...names) {
  return names.find((name) => name in STRINGS[current]);
}

/** @param {string} word */
const capital = (word) => `${word[0].toUpperCase()}${word.slice(1)}`;

/** A name with a number at its end, such as stage2. @param {string} name */
const numbered = (name) => /^([a-z]+)(\d+)$/.exec(name) ?? [name, name, ""];

/** A site's name as people read it; one that the page does not know keeps its own. @param {string} site */
export function siteName(site) {
  const [, name, n] = numbered(site);
  const text = known(`site${capital(name)}`);
  return text ? t(text, { n }) : site;
}

/** What a site's map shows, where that can be said. @param {string} site */
export function siteTitle(site) {
  const text = known(`site${capital(numbered(site)[1])}Title`);
  return text ? t(text) : siteName(site);
}

/** A task's name as people read it. @param {string} task */
export function taskName(task) {
  if (!task) return t("taskUnknown"); // a model that has never been loaded may not tell
  const text = known(`task_${task}`);
  return text ? t(text) : task;
}

/** An axis's name as people read it; an output is called by its task. @param {string} axis @param {string} task */
export function axisName(axis, task) {
  const [, name, n] = numbered(axis);
  const text = known(`axis${capital(name)}_${task}`, `axis${capital(name)}`);
  return text ? t(text, { n }) : axis;
}

/** The title of a text. @param {string} name @param {string} task */
export function textName(name, task) {
  const text = known(`${name}_${task}`, name);
  return text ? t(text) : name;
}

/** @param {"en" | "zh"} value */
export function useLanguage(value) {
  current = value;
  document.documentElement.lang = value === "zh" ? "zh-Hans" : "en";
  /** @type {(selector: string) => NodeListOf<HTMLElement>} */
  const all = (selector) => document.querySelectorAll(selector);
  for (const node of all("[data-t]")) node.textContent = t(node.dataset.t ?? "");
  for (const node of all("[data-t-title]")) node.title = t(node.dataset.tTitle ?? "");
  for (const node of all("[data-t-label]")) node.setAttribute("aria-label", t(node.dataset.tLabel ?? ""));
}
