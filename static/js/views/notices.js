/** What the page says while it waits and when something fails. */

import { Problem } from "../api/request.js";
import { t } from "../text/i18n.js";
import { wordsOf } from "../text/problems.js";
import { byId } from "./dom.js";
import { Again } from "./trouble.js";

/** @typedef {import("../types.js").Model} Model */

const PATIENCE = 120; // milliseconds before a wait is worth a sign
let waits = 0;
let asking = 0;
let verb = "predict";
const again = new Again();
/** @type {Error | null} the one on show */
let shown = null;
/** @type {(path: string | null) => void} marks the field that a problem is about */
let markInvalid = () => {};

/** Who marks fields, since the form knows them. @param {typeof markInvalid} mark */
export function onInvalid(mark) {
  markInvalid = mark;
}

/** @param {string} name of what the button does for the task on the form */
export function setVerb(name) {
  verb = name;
  if (!asking) byId("run-text").textContent = t(verb);
}

/** A map is awaited. @returns {() => void} ends the wait */
export function waiting() {
  waits += 1;
  byId("map").dataset.waiting = ""; // at once: a short wait shows no sign, and is a wait
  const timer = setTimeout(() => {
    byId("progress").hidden = false;
    byId("map").setAttribute("aria-busy", "true");
  }, PATIENCE);
  return () => {
    clearTimeout(timer);
    waits -= 1;
    if (waits > 0) return;
    delete byId("map").dataset.waiting;
    byId("progress").hidden = true;
    byId("map").removeAttribute("aria-busy");
  };
}

/** An answer is awaited. @param {Model | undefined} model @returns {() => void} ends the wait */
export function waitingFor(model) {
  const settled = waiting();
  const button = byId("run");
  asking += 1;
  const timer = setTimeout(() => {
    button.setAttribute("aria-busy", "true");
    byId("run-text").textContent = t(!model?.state || model.state === "loaded" ? `${verb}Busy` : "loadingModel");
  }, PATIENCE);
  return () => {
    settled();
    clearTimeout(timer);
    asking -= 1;
    if (asking > 0) return;
    button.removeAttribute("aria-busy");
    byId("run-text").textContent = t(verb);
  };
}

/**
 * Shows an error by the input, which keeps what was given; with no map yet, the map's place says so.
 *
 * @param {Error} error
 * @param {() => unknown} [retry] asks once more, where that may go better
 */
export function showProblem(error, retry) {
  shown = error;
  const problem = error instanceof Problem ? error : null;
  const place = byId("problem");
  place.hidden = false;
  place.textContent = wordsOf(error);
  again.offer(error, retry);
  place.after(again.button);
  markInvalid(problem && problem.status >= 400 && problem.status < 500 && problem.status !== 401 ? problem.path : null);
  if (byId("map").dataset.state) return;
  byId("empty").hidden = false;
  byId("empty").textContent = t("empty");
}

/** What went wrong, in another language. */
export function translateProblem() {
  if (!shown) return;
  byId("problem").textContent = wordsOf(shown);
  again.show();
}

export function clearProblem() {
  shown = null;
  byId("problem").hidden = true;
  again.hide();
  markInvalid(null);
}
