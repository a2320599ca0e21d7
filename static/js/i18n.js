/** The page's language: looks texts up and puts them into the document. */

import { language } from "./preferences.js";
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

/** A site's name as people read it; one that the page does not know keeps its own. */
export function siteName(site) {
  const name = `site${site[0].toUpperCase()}${site.slice(1)}`;
  return name in STRINGS[current] ? t(name) : site;
}

/** An axis's name as people read it. */
export function axisName(axis) {
  const name = `axis${axis[0].toUpperCase()}${axis.slice(1)}`;
  return name in STRINGS[current] ? t(name) : axis;
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
