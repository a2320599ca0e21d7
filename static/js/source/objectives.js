/** What gradients may be of: the whole answer, one of its tokens, or a class. */

import { madeFrom } from "../map/made.js";
import { writtenOf } from "../text/texts.js";

/** @typedef {import("./session.js").Session} Session */
/** @typedef {import("../types.js").Entry} Entry */
/** @typedef {import("../types.js").Objective} Objective */

const MOST = 400; // tokens of an answer to choose from: a longer menu is not read

/** The classes that an answer lists, the likeliest first; none where it is no list of classes. @param {Session} session */
function classesOf({ summary }) {
  const list = Array.isArray(summary.prediction) ? summary.prediction : [];
  const entries = /** @type {Entry[]} */ (list.filter((entry) => typeof entry === "object" && "label" in entry));
  return entries.toSorted((a, b) => b.score - a.score).map(({ label }) => String(label));
}

/**
 * An objective by the name that a link has for it.
 *
 * @param {Session} session
 * @param {string} name empty: the whole answer, the likeliest class, or the nearest of compared sentences
 * @returns {Objective}
 */
export function objectiveOf(session, name) {
  const { prediction, task } = session.summary;
  const classes = classesOf(session);
  if (classes.length) return { label: classes.includes(name) ? name : classes[0] };
  if (task === "sentence-similarity" && Array.isArray(prediction)) {
    const cosines = /** @type {number[]} */ (prediction);
    return { label: cosines.indexOf(Math.max(...cosines)) };
  }
  const chosen = name !== "" && Number(name) < tokensOf(session).length;
  return { tokens: chosen ? [Number(name)] : "all" };
}

/** The tokens of an answer that was written. @param {Session} session */
const tokensOf = ({ summary }) => writtenOf(summary.prediction).tokens ?? [];

/** Whether an answer has an objective of a name. @param {Session} session @param {string} name as links have it */
export function isObjective(session, name) {
  const classes = classesOf(session);
  if (name === "" || classes.length) return name === "" || classes.includes(name);
  return /^\d{1,9}$/.test(name) && Number(name) < tokensOf(session).length;
}

/** What there is to choose from, each by its name in links. @param {Session} session @returns {[string, string][]} */
export function choicesOf(session) {
  const classes = classesOf(session);
  if (classes.length) return classes.map((label) => [label, label]);
  const tokens = tokensOf(session);
  return tokens.length > MOST ? [] : tokens.map((token, index) => [String(index), `${index} · ${token.replace(/^▁/, "")}`]);
}

/**
 * The name of the token that a row writes; null where it writes none.
 *
 * @param {Session} session
 * @param {string} site
 * @param {number} row
 */
export function writtenBy(session, site, row) {
  const count = tokensOf(session).length;
  const axis = session.queries(site);
  const made = madeFrom(axis);
  const token = session.site(site).queries === "target" ? row : made === null ? -1 : row + 1 - made;
  return token >= 0 && token < count ? String(token) : null;
}
