/** What the page says while it waits and when something fails. */

import { Problem, Unreachable } from "./api.js";
import { byId } from "./dom.js";
import { t } from "./i18n.js";

const PATIENCE = 120; // milliseconds before a wait is worth a sign
let waits = 0;

/** @param {boolean} translating @returns {() => void} ends the wait */
export function waiting(translating) {
  waits += 1;
  const button = byId("translate");
  const timer = setTimeout(() => {
    byId("progress").hidden = false;
    byId("map").setAttribute("aria-busy", "true");
    if (!translating) return;
    button.setAttribute("aria-busy", "true");
    byId("translate-text").textContent = t("translating");
  }, PATIENCE);
  return () => {
    clearTimeout(timer);
    waits -= 1;
    if (translating) {
      button.removeAttribute("aria-busy");
      byId("translate-text").textContent = t("translate");
    }
    if (waits > 0) return;
    byId("progress").hidden = true;
    byId("map").removeAttribute("aria-busy");
  };
}

/** @param {Error} error is told by the input, which keeps its text; with no map yet, the map's place says so */
export function showProblem(error) {
  const gone = error instanceof Unreachable;
  const busy = error instanceof Problem && error.status === 503;
  const place = byId("problem");
  place.hidden = false;
  place.textContent = gone ? t("unreachable") : busy ? t("busy", { detail: error.message }) : error.message;
  byId("input").setAttribute("aria-invalid", String(error instanceof Problem && error.status < 500));
  if (byId("map").dataset.state === "ready") return;
  byId("empty").hidden = false;
  byId("empty").textContent = t("empty");
}

export function clearProblem() {
  byId("problem").hidden = true;
  byId("input").removeAttribute("aria-invalid");
}
