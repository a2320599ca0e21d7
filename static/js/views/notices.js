/** What the page says while it waits and when something fails. */

import { Problem, Unreachable } from "../api/request.js";
import { BadFile } from "../source/bad_file.js";
import { byId } from "./dom.js";
import { t } from "../text/i18n.js";

/** @typedef {import("../types.js").Model} Model */

const PATIENCE = 120; // milliseconds before a wait is worth a sign
let waits = 0;
let asking = 0;
let verb = "predict";
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
  const timer = setTimeout(() => {
    byId("progress").hidden = false;
    byId("map").setAttribute("aria-busy", "true");
  }, PATIENCE);
  return () => {
    clearTimeout(timer);
    waits -= 1;
    if (waits > 0) return;
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

/** @param {Error} error is shown by the input, which keeps what was given; with no map yet, the map's place says so */
export function showProblem(error) {
  const problem = error instanceof Problem ? error : null;
  const place = byId("problem");
  place.hidden = false;
  place.textContent = wordsOf(error);
  markInvalid(problem && problem.status >= 400 && problem.status < 500 && problem.status !== 401 ? problem.path : null);
  if (byId("map").dataset.state === "ready") return;
  byId("empty").hidden = false;
  byId("empty").textContent = t("empty");
}

/** An error in the reader's language where the page can say it, else in the service's words. @param {Error} error */
export function wordsOf(error) {
  if (error instanceof Unreachable) return t("unreachable");
  if (error instanceof BadFile) return t(error.reason, error.values);
  if (!(error instanceof Problem)) return error.message;
  if (error.busy) return t("busy", { detail: error.message });
  return error.status === 401 ? t("locked") : error.message;
}

export function clearProblem() {
  byId("problem").hidden = true;
  markInvalid(null);
}
