/** Errors in the reader's language: by their type, with what the service says after it. */

import { Problem, Unreachable } from "../api/request.js";
import { BadFile } from "../source/bad_file.js";
import { known, t } from "./i18n.js";

const TYPE = "urn:heedmap:problem:";
const BUSY = [429, 503, 504]; // what may go otherwise in a moment
const FOR_GOOD = ["quota-exceeded", "worker-stopped", "model-unavailable"]; // of these what does not

/** What the page says by itself, in whichever language it has then. */
export class Told extends Error {
  /** @param {string} text its name @param {Record<string, string | number>} [values] */
  constructor(text, values = {}) {
    super(t(text, values));
    this.text = text;
    this.values = values;
  }
}

/** A map did not come. */
export class NoMap extends Error {
  /** @param {Error} cause */
  constructor(cause) {
    super(cause.message);
    /** @type {Error} */
    this.cause = cause;
  }
}

/** @param {Error} error @returns {string} */
export function wordsOf(error) {
  if (error instanceof Told) return t(error.text, error.values);
  if (error instanceof BadFile) return t(error.reason, error.values);
  if (error instanceof NoMap)
    return error.cause instanceof Unreachable ? wordsOf(error.cause) : t("failedMap", { detail: wordsOf(error.cause) });
  if (error instanceof Unreachable) return t(hasInput() ? "unreachableKept" : "unreachable");
  if (!(error instanceof Problem)) return error.message;
  if (error.status === 401) return t("locked");
  const detail = error.message;
  const type = typeOf(error);
  const name = known(`problem_${type}`, `problem_${error.status}`);
  return name ? t(name, { detail }) : t("problem_other", { detail });
}

/** @param {Problem} problem */
const typeOf = ({ body }) => (body.type?.startsWith(TYPE) ? body.type.slice(TYPE.length) : "");

/** Whether the same may be answered when it is asked again. @param {Error} error @returns {boolean} */
export function mayPass(error) {
  if (error instanceof NoMap) return mayPass(error.cause);
  if (error instanceof Unreachable) return true;
  return error instanceof Problem && BUSY.includes(error.status) && !FOR_GOOD.includes(typeOf(error));
}

/** Seconds that the service asks to wait; 0 where it does not. @param {Error} error @returns {number} */
export function waitOf(error) {
  if (error instanceof NoMap) return waitOf(error.cause);
  return error instanceof Problem ? error.retryAfter : 0;
}

/** Whether a reader has given anything that could be lost. */
function hasInput() {
  /** @type {NodeListOf<HTMLTextAreaElement>} */
  const boxes = document.querySelectorAll(".fields textarea");
  const file = document.getElementById("file-facts");
  return [...boxes].some((box) => box.checkVisibility() && box.value.trim()) || Boolean(file?.checkVisibility());
}
