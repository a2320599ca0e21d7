/** The reader's sentence: one for all sections that are about a sentence. */

import { t } from "../text/i18n.js";
import { Told } from "../text/problems.js";
import { element } from "../views/dom.js";

const FIRST = "Ich habe gestern ein interessantes Buch gelesen.";
const LONGEST = 200; // characters: maps of more are no thumbnails any more

/** @type {Set<() => void>} */
const listeners = new Set();
const held = { text: FIRST };

/** @throws {Told} there is none */
export function sentence() {
  if (!held.text) throw new Told("labEmpty");
  return held.text;
}

/** Tells when it is another one. @param {() => void} listener */
export const onSentence = (listener) => void listeners.add(listener);

let fields = 0;

/** A field for it, whatever section it is changed in. */
export function sentenceField() {
  const id = `lab-sentence-${(fields += 1)}`;
  const input = element("input", { type: "text", id, class: "sentence-input", value: held.text, maxLength: LONGEST, lang: "de", spellcheck: false, autocomplete: "off" });
  const form = element(
    "form",
    { class: "sentence-form" },
    element("label", { class: "caption", for: id, data: { t: "labSentence" } }, t("labSentence")),
    input,
    element("button", { type: "submit", data: { t: "labUse" } }, t("labUse")),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    held.text = input.value.trim();
    for (const listener of listeners) listener();
  });
  onSentence(() => (input.value = held.text));
  return form;
}
