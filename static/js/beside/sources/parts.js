/** An input as context and question, and a context as what the service scored in it. No document here. */

/** @typedef {import("../../source/session.js").Session} Session */
/**
 * @typedef {object} Asked a body of POST /v1/sources, but for how to look
 * @property {string} context
 * @property {string} question
 * @property {string} [template]
 *
 * @typedef {object} SourceSpan
 * @property {string} text
 * @property {Record<string, number>} scores
 * @property {{before: number, after: number} | null} checked
 *
 * @typedef {object} Sources an answer of it
 * @property {string} answer
 * @property {number} log_probability
 * @property {number} passes
 * @property {Record<string, {top: number[], agreement: number | null}>} methods
 * @property {SourceSpan[]} spans
 */

const TEMPLATE = "{context}\n\n{question}"; // what stands around the last empty line of a prompt
const TASKS = ["question-answering", "text-generation"];

/**
 * The context and the question of an answer: of question answering its own, of a prompt what stands before and after its
 * last empty line.
 *
 * @param {Session} session
 * @returns {Asked | null} null where the task or the input has no context, or the model is no single stack
 */
export function askedOf({ draft, summary }) {
  if (!TASKS.includes(summary.task) || summary.sites.length !== 1 || summary.sites[0].queries !== summary.sites[0].keys)
    return null;
  const { question = "", context = "", text = "" } = draft.fields;
  if (summary.task === "question-answering") return context.trim() && question.trim() ? { context, question } : null;
  const cut = text.trimEnd().lastIndexOf("\n\n");
  if (cut < 1 || !text.slice(0, cut).trim()) return null;
  return { context: text.slice(0, cut), question: text.slice(cut + 2), template: TEMPLATE };
}

/**
 * A context as pieces in reading order: spans that were scored, and what stands between them.
 *
 * @param {string} context
 * @param {SourceSpan[]} spans in reading order
 * @returns {{text: string, span: number | null}[]}
 */
export function piecesOf(context, spans) {
  /** @type {{text: string, span: number | null}[]} */
  const pieces = [];
  let at = 0;
  spans.forEach(({ text }, span) => {
    const start = context.indexOf(text, at);
    if (start < 0) return;
    if (start > at) pieces.push({ text: context.slice(at, start), span: null });
    pieces.push({ text, span });
    at = start + text.length;
  });
  if (at < context.length) pieces.push({ text: context.slice(at), span: null });
  return pieces;
}

/** How strongly each span is lit by a method's scores, the largest of them fully. @param {SourceSpan[]} spans @param {string} method @returns {number[]} −1..1 */
export function shares(spans, method) {
  const scores = spans.map((span) => span.scores[method] ?? 0);
  const most = Math.max(...scores.map(Math.abs), 0);
  return scores.map((score) => (most ? score / most : 0));
}
