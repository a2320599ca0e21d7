/** What edits did to an answer: its words, and what each answer is worth to the model before and after. No document here. */

import { request } from "../../api/request.js";
import { bodyOf } from "../../input/draft.js";
import { writtenOf } from "../../text/texts.js";
import { changes } from "./diff.js";

/** @typedef {import("../../source/session.js").Session} Session */
/** @typedef {import("../../types.js").Entry} Entry */
/** @typedef {import("../../types.js").Prediction} Prediction */
/**
 * @typedef {object} Line an answer, and its score in both passes
 * @property {[string, boolean][]} words true: the other answer has it not
 * @property {number | null} unedited null: the service does not say
 * @property {number | null} edited
 *
 * @typedef {object} Effect
 * @property {boolean} same both passes answer alike
 * @property {boolean} log scores are logarithms of probabilities, not probabilities
 * @property {Line[]} lines the unedited answer, then the edited one where it is another
 */

/** @param {number | undefined} value */
const known = (value) => (typeof value === "number" ? value : null);

/** What a given text is worth to the model, with a draft's edits. @param {Session} session @param {string} target */
async function worth({ draft, model, controller }, target) {
  const headers = { "Content-Type": "application/json" };
  const body = JSON.stringify({ ...bodyOf(draft, model), target });
  try {
    const answer = await request("v1/predict", { method: "POST", headers, body, signal: controller.signal });
    return known((await answer.json()).prediction?.score);
  } catch {
    return null; // of a task that scores no given answer; what is known is shown all the same
  }
}

/** The best entry of a list that answers. @param {Prediction} prediction @returns {Entry | null} */
function best(prediction) {
  const first = Array.isArray(prediction) ? prediction.flat(1)[0] : null;
  return typeof first === "object" && first !== null && "score" in first ? /** @type {Entry} */ (first) : null;
}

/** @param {Entry} entry */
const nameOf = ({ label, token_str, word }) => label ?? token_str ?? word ?? "";

/** @param {Prediction} prediction @param {string} name */
function scoreOf(prediction, name) {
  const entries = Array.isArray(prediction) ? /** @type {Entry[]} */ (prediction.flat(1)) : [];
  return known(entries.find((entry) => nameOf(entry) === name)?.score);
}

/**
 * @param {Session} before the unedited pass
 * @param {Session} after the edited one
 * @returns {Promise<Effect | null>} null where an answer is neither words nor one of a list
 */
export async function effectOf(before, after) {
  const [one, other] = [before.summary.prediction, after.summary.prediction];
  const [first, second] = [best(one), best(other)];
  if (first && second) {
    const [mine, its] = [nameOf(first), nameOf(second)];
    /** @param {string} name @returns {Line} */
    const line = (name) => ({ words: [[name, mine !== its]], unedited: scoreOf(one, name), edited: scoreOf(other, name) });
    return { same: mine === its, log: false, lines: mine === its ? [line(mine)] : [line(mine), line(its)] };
  }
  const [wrote, writes] = [writtenOf(one), writtenOf(other)];
  const [old, now] = [wrote.text ?? wrote.answer, writes.text ?? writes.answer];
  if (old === undefined || now === undefined) return null;
  const words = changes(old, now);
  const log = wrote.answer === undefined;
  const same = old === now;
  // A given answer is scored as it stands; one that was searched for brings its own score.
  const [oldEdited, nowUnedited] = await Promise.all([
    same || !log ? null : worth(after, old),
    same || !log ? null : worth(before, now),
  ]);
  const [was, is] = [known(wrote.score), known(writes.score)];
  if (same) return { same, log, lines: [{ words: words.after, unedited: was, edited: is }] };
  return {
    same,
    log,
    lines: [
      { words: words.before, unedited: was, edited: oldEdited },
      { words: words.after, unedited: nowUnedited, edited: is },
    ],
  };
}
