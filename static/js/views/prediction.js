/** What a model answered, where that is more than a text: bars, candidates, the shape of an embedding. */

import { isolated } from "../text/isolate.js";
import { writtenOf } from "../text/texts.js";
import { byId, element } from "./dom.js";
import { linesOf } from "../input/draft.js";
import { optionsOf } from "../input/tasks.js";
import { t } from "../text/i18n.js";

/** @typedef {import("../source/session.js").Session} Session */
/** @typedef {import("../types.js").Prediction} Prediction */
/** @typedef {import("../types.js").Written} Written */

const LISTED = 8; // bars; the rest are counted
const SHOWN_NUMBERS = 6;

/** @param {number} score */
const percent = (score) => (score >= 0.9995 ? "100%" : `${(100 * score).toFixed(score < 0.0995 ? 2 : 1)}%`);

/** @param {string} name @param {number} share 0..1 of the bar @param {string} figure */
function bar(name, share, figure) {
  const length = element("span", { class: "top-bar" });
  length.style.setProperty("--weight", Math.min(Math.max(share, 0), 1).toFixed(4));
  const title = element("span", { class: "bar-name", dir: "auto", title: name }, name);
  return element("li", { class: "bar-item" }, title, length, element("span", { class: "tabular top-weight" }, figure));
}

/** Scores that are shares as per cent, others (logits, cosines) as they are. @param {[string, number][]} rows */
function figureOf(rows) {
  return rows.every(([, score]) => score >= 0 && score <= 1) ? percent : number;
}

/**
 * @param {[string, number][]} rows
 * @param {(score: number) => string} [figure] what a score is written as
 * @param {boolean} [ranked] the first is the best
 * @param {number} [listed] bars at most
 */
function bars(rows, figure = figureOf(rows), ranked = true, listed = LISTED) {
  const list = element(
    "ol",
    { class: "bars" },
    ...rows.slice(0, listed).map(([name, score]) => bar(name, score, figure(score))),
  );
  if (ranked) list.firstElementChild?.classList.add("best");
  const more = rows.length - listed;
  return more > 0 ? [list, element("p", { class: "quiet small" }, t("moreBars", { n: more }))] : [list];
}

/** @param {number} value */
const number = (value) => (Math.abs(value) < 1e-3 && value !== 0 ? value.toExponential(1) : value.toFixed(3));

/** An embedding, or one of each token, in a few words. @param {number[][]} rows */
function embedding(rows) {
  const [first] = rows;
  const width = first.length;
  const norm = Math.sqrt(first.reduce((sum, value) => sum + value * value, 0));
  const some = `[${first.slice(0, SHOWN_NUMBERS).map(number).join(", ")}${width > SHOWN_NUMBERS ? ", …" : ""}]`;
  const shape = rows.length > 1 ? t("embeddings", { n: rows.length, width }) : t("embedding", { width });
  return [
    element("p", {}, shape),
    element("p", { class: "token numbers" }, some),
    element("p", { class: "quiet small tabular" }, t(rows.length > 1 ? "normFirst" : "norm", { norm: number(norm) })),
  ];
}

/** Seconds with what was said in them. @param {NonNullable<Written["chunks"]>} list */
function chunks(list) {
  /** @param {number | null | undefined} seconds */
  const time = (seconds) => (typeof seconds === "number" ? seconds.toFixed(2) : "…");
  const lines = list.map(({ text, timestamp }) =>
    element(
      "li",
      {},
      element("span", { class: "quiet small tabular" }, `${time(timestamp?.[0])}–${time(timestamp?.[1])} s`),
      element("span", { dir: "auto" }, text),
    ),
  );
  return element("ol", { class: "chunks" }, ...lines);
}

/**
 * What there is to show of an answer, but for its text.
 *
 * @param {Prediction} output
 * @param {string} task
 * @param {string} sentences what was compared, one a line
 * @returns {HTMLElement[]}
 */
function contents(output, task, sentences) {
  if (output === null) return [];
  if (typeof output === "number") return bars([["", output]], number);
  if (!Array.isArray(output)) return written(output);
  if (output.length === 0) return [element("p", { class: "quiet" }, t(`nothingFound_${task}`, {}, "nothingFound"))];
  const [first] = output;
  if (typeof first === "number") {
    const numbers = /** @type {number[]} */ (output);
    return task === "sentence-similarity" ? similarities(numbers, linesOf(sentences)) : embedding([numbers]);
  }
  if (Array.isArray(first)) {
    if (typeof first[0] === "number") return embedding(/** @type {number[][]} */ (output));
    if (Array.isArray(first[0])) return embedding(/** @type {number[][]} */ (first));
    // Several masks: candidates for each.
    return /** @type {Entry[][]} */ (output).flatMap((list, index) => [
      element("p", { class: "quiet small" }, t("maskOf", { n: index + 1 })),
      ...contents(list, task, sentences),
    ]);
  }
  return entries(/** @type {Entry[]} */ (output));
}

/** @param {number[]} scores @param {string[]} lines */
function similarities(scores, lines) {
  const rows = scores.map((score, index) => /** @type {[string, number]} */ ([lines[index] ?? String(index + 1), score]));
  return bars(
    rows.sort((a, b) => b[1] - a[1]),
    number,
  );
}

/** @typedef {import("../types.js").Entry} Entry */
/** @param {Entry[]} list @returns {HTMLElement[]} */
function entries(list) {
  const [first] = list;
  const named = first.token_str ?? first.label;
  if (named !== undefined) return bars(list.map(({ token_str, label, score }) => [token_str ?? label ?? "", score]));
  if (first.word === undefined) return [];
  return bars(
    list.map(({ entity_group, entity, word, score }) => [`${entity_group ?? entity} · ${isolated(word ?? "")}`, score]),
    percent,
    false,
  );
}

/** @param {Written} output @returns {HTMLElement[]} */
function written(output) {
  if (typeof output.answer === "string") {
    const answer = element("p", { class: "answer", dir: "auto" }, output.answer || t("noAnswer"));
    return [answer, element("p", { class: "quiet small tabular" }, t("scored", { score: percent(output.score ?? 0) }))];
  }
  if (output.p_gen) return copied(output.tokens ?? [], output.p_gen, output.unread_words ?? 0);
  return output.chunks ? [chunks(output.chunks)] : [];
}

/**
 * How much of each token was copied, not written.
 *
 * @param {string[]} tokens
 * @param {number[]} shares written
 * @param {number} unread words
 */
function copied(tokens, shares, unread) {
  const named = (/** @type {number} */ index) => (tokens[index] ?? "").replace("▁", "");
  const rows = shares.map((share, index) => /** @type {[string, number]} */ ([named(index), 1 - share]));
  const note = unread ? [element("p", { class: "quiet small" }, t("unreadWords", { n: unread }))] : [];
  return [element("p", { class: "quiet small" }, t("copiedShares")), ...bars(rows, percent, false, rows.length), ...note];
}

/** Puts the answer above the texts, and how it ended below them. @param {Session} session */
export function showPrediction({ summary, draft, model }) {
  const { prediction, task, axes } = summary;
  const list = contents(prediction, task, draft.fields.sentences ?? "");
  const { text, answer, finish_reason: ending } = writtenOf(prediction);
  // A text whose tokens are on no axis (CTC letters over frames) has no words to point at.
  if (text && !axes.target && !axes.tokens) list.push(element("p", { class: "answer", dir: "auto" }, text));
  // An input that the task could not answer, such as one without a mask, has its maps all the same.
  const empty = prediction === null || (!text && answer === undefined && !axes.target && !Array.isArray(prediction));
  if (empty && typeof prediction !== "number" && list.length === 0)
    list.push(element("p", { class: "quiet" }, t(`nothingFound_${task}`, {}, "noAnswerHere")));
  byId("prediction").hidden = list.length === 0;
  byId("prediction").replaceChildren(element("h2", { class: "caption" }, t("prediction")), ...list);
  byId("ending").hidden = ending !== "length";
  byId("ending").textContent = t("max_new_tokens" in optionsOf(model) ? "cutShortOption" : "cutShort");
}

/** The answer in a few words, for titles and screen readers. @param {Prediction} prediction @returns {string} */
export function headline(prediction) {
  if (Array.isArray(prediction)) {
    const flat = prediction.flat(2);
    const [first] = flat;
    if (first === undefined) return t("noText");
    if (typeof first === "number") return t("embedding", { width: flat.length });
    return first.label ?? first.token_str ?? first.word ?? "";
  }
  if (typeof prediction === "number") return number(prediction);
  const { text, answer } = prediction ?? {};
  return text || answer || t("noText");
}
