/** Radio groups, menus and short notices. */

import { byId, element } from "./dom.js";

/**
 * A row of choices of which one holds; real radio buttons, so that keys and screen readers know them.
 *
 * @template {string} Value
 * @param {string} id of the group's element
 * @param {Value[]} values
 * @param {(value: Value) => string} name what a value is called
 * @param {(value: Value) => void} choose
 */
export function choice(id, values, name, choose) {
  byId(id).replaceChildren(
    ...values.map((value) =>
      element(
        "label",
        { class: "choice-item" },
        element("input", { type: "radio", name: id, value, on: { change: () => choose(value) } }),
        element("span", {}, name(value)),
      ),
    ),
  );
}

/** @param {string} id @param {string} value */
export function setChoice(id, value) {
  for (const input of byId(id).querySelectorAll("input")) input.checked = input.value === value;
}

/** @param {HTMLSelectElement} select @param {[string, string][]} options value and name */
export function fillSelect(select, options) {
  select.replaceChildren(...options.map(([value, name]) => element("option", { value, dir: "auto" }, name)));
}

/** A menu made of <details> closes when the reader turns elsewhere. @param {HTMLDetailsElement} details */
export function closeOutside(details) {
  document.addEventListener("pointerdown", (event) => {
    if (details.open && !details.contains(/** @type {Node} */ (event.target))) details.open = false;
  });
}

/** Arrows go from tab to tab, and open them. @param {HTMLElement} list */
export function listenToTabs(list) {
  list.addEventListener("keydown", (event) => {
    const by = Number(event.key === "ArrowRight") - Number(event.key === "ArrowLeft");
    const next = by && step(/** @type {HTMLElement[]} */ ([...list.children]), /** @type {HTMLElement} */ (event.target), by);
    if (!next) return;
    event.preventDefault();
    next.focus();
    next.click();
  });
}

let timer = 0;

/**
 * Says a few words to everyone: shown for a moment, and read out.
 *
 * @param {string} text
 * @param {number} [moment] milliseconds
 */
export function notice(text, moment = 2000) {
  const toast = byId("toast");
  toast.textContent = text;
  toast.hidden = false;
  announce(text);
  clearTimeout(timer);
  timer = window.setTimeout(() => (toast.hidden = true), moment);
}

/** Says it to screen readers alone. @param {string} text */
export function announce(text) {
  byId("announce").textContent = text;
}

/** @param {string} text @returns {Promise<boolean>} whether the text reached the clipboard */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // No clipboard API outside secure contexts; the old way still works there.
    const field = element("textarea", { value: text, class: "unseen" });
    document.body.append(field);
    field.select();
    const copied = document.execCommand("copy");
    field.remove();
    return copied;
  }
}

/**
 * Previous or next of a list, around its ends.
 *
 * @template T
 * @param {T[]} list
 * @param {T} current
 * @param {number} by
 */
export function step(list, current, by) {
  return list[(list.indexOf(current) + by + list.length) % list.length];
}
