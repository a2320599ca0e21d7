/** What a model answered, where that is more than a text: bars, candidates, the shape of an embedding. */

import { byId, element } from "./dom.js";
import { linesOf } from "../input/draft.js";
import { t } from "../text/i18n.js";

/** @typedef {import("../source/session.js").Session} Session */

const LISTED = 8; // bars; the rest are counted
const SHOWN_NUMBERS = 6;

const percent = (score) => (score >= 0.9995 ? "100%" : `${(100 * score).toFixed(score < 0.0995 ? 2 : 1)}%`);

/** @param {string} name @param {number} share 0..1 of the bar @param {string} told */
function bar(name, share, told) {
  const length = element("span", { class: "top-bar" });
  length.style.setProperty("--weight", Math.min(Math.max(share, 0), 1).toFixed(4));
  const title = element("span", { class: "bar-name", title: name }, name);
  return element("li", { class: "bar-item" }, title, length, element("span", { class: "tabular top-weight" }, told));
}

/** Scores that are shares as per cent, others (logits, cosines) as they are. */
function tellerOf(rows) {
  return rows.every(([, score]) => score >= 0 && score <= 1) ? percent : number;
}

/**
 * @param {[string, number][]} rows
 * @param {(score: number) => string} tell
 * @param {boolean} ranked the first is the best
 */
function bars(rows, tell = tellerOf(rows), ranked = true) {
  const list = element(
    "ol",
    { class: "bars" },
    ...rows.slice(0, LISTED).map(([name, score]) => bar(name, score, tell(score))),
  );
  if (ranked) list.firstElementChild?.classList.add("best");
  const more = rows.length - LISTED;
  return more > 0 ? [list, element("p", { class: "quiet small" }, t("moreBars", { n: more }))] : [list];
}

const number = (value) => (Math.abs(value) < 1e-3 && value !== 0 ? value.toExponential(1) : value.toFixed(3));

/** An embedding, or one of each token, in a few words. */
function embedding(output) {
  const rows = Array.isArray(output[0]) ? (Array.isArray(output[0][0]) ? output[0] : output) : [output];
  const width = rows[0]?.length ?? 0;
  const norm = Math.sqrt(rows[0].reduce((sum, value) => sum + value * value, 0));
  const first = `[${rows[0].slice(0, SHOWN_NUMBERS).map(number).join(", ")}${width > SHOWN_NUMBERS ? ", …" : ""}]`;
  const shape = rows.length > 1 ? t("embeddings", { n: rows.length, width }) : t("embedding", { width });
  return [
    element("p", {}, shape),
    element("p", { class: "token numbers" }, first),
    element("p", { class: "quiet small tabular" }, t(rows.length > 1 ? "normFirst" : "norm", { norm: number(norm) })),
  ];
}

/** Seconds with what was said in them. */
function chunks(list) {
  const time = (seconds) => (typeof seconds === "number" ? seconds.toFixed(2) : "…");
  return element(
    "ol",
    { class: "chunks" },
    ...list.map(({ text, timestamp }) =>
      element(
        "li",
        {},
        element("span", { class: "quiet small tabular" }, `${time(timestamp?.[0])}–${time(timestamp?.[1])} s`),
        element("span", {}, text),
      ),
    ),
  );
}

/** @param {any} output @param {string} sentences what was compared, one a line @returns {(Node | string)[]} */
function contents(output, task, sentences) {
  if (typeof output === "number") return bars([["", output]], number);
  if (Array.isArray(output) && output.length === 0) return [element("p", { class: "quiet" }, t("nothingFound"))];
  const first = Array.isArray(output) ? output[0] : null;
  if (task === "sentence-similarity" && typeof first === "number") {
    const lines = linesOf(sentences);
    const rows = output.map(
      (score, index) => /** @type {[string, number]} */ ([lines[index] ?? String(index + 1), score]),
    );
    return bars(
      rows.sort((a, b) => b[1] - a[1]),
      number,
    );
  }
  if (typeof first === "number" || typeof first?.[0] === "number" || typeof first?.[0]?.[0] === "number")
    return embedding(output);
  if (Array.isArray(first)) {
    // Several masks: candidates for each.
    return output.flatMap((list, index) => [
      element("p", { class: "quiet small" }, t("maskOf", { n: index + 1 })),
      ...contents(list, task, sentences),
    ]);
  }
  if (first && "token_str" in first) return bars(output.map(({ token_str, score }) => [token_str, score]));
  if (first && "label" in first) return bars(output.map(({ label, score }) => [label, score]));
  if (first && "word" in first)
    return bars(
      output.map((found) => [`${found.entity_group ?? found.entity} · ${found.word}`, found.score]),
      percent,
      false,
    );
  if (output && typeof output.answer === "string") {
    const told = element("p", { class: "answer" }, output.answer || t("noAnswer"));
    return [told, element("p", { class: "quiet small tabular" }, t("scored", { score: percent(output.score) }))];
  }
  if (Array.isArray(output?.chunks)) return [chunks(output.chunks)];
  return [];
}

/** Puts the answer above the texts. @param {Session} session */
export function showPrediction({ summary, draft }) {
  const list = contents(summary.prediction, summary.task, draft.fields.sentences ?? "");
  const root = byId("prediction");
  root.hidden = list.length === 0;
  root.replaceChildren(element("h2", { class: "caption" }, t("prediction")), ...list);
  // A text whose tokens are on no axis (CTC letters over frames) has no words to point at.
  const { text } = summary.prediction ?? {};
  if (typeof text === "string" && !summary.axes.target && !summary.axes.tokens) {
    root.hidden = false;
    root.append(element("p", { class: "answer" }, text || t("noText")));
  }
}

/** The answer in a few words, for titles and screen readers. */
export function headline(prediction) {
  const first = Array.isArray(prediction) ? prediction.flat()[0] : prediction;
  if (typeof first === "number") return t("embedding", { width: prediction.flat(2).length });
  const { text, answer, label, token_str: token, word } = first ?? {};
  return String(text ?? answer ?? label ?? token ?? word ?? "");
}
