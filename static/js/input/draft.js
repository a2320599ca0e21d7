/** An input as it stands in the form: to and from requests, links and examples. */

import { editOf, editsOf, editsText, withoutCuts } from "./edits.js";
import { FILES, fileOf, OPTIONS, taskOf } from "./tasks.js";

/** @typedef {import("../types.js").Draft} Draft */
/** @typedef {import("../types.js").Field} Field */
/** @typedef {import("../types.js").Input} Input */
/** @typedef {import("../types.js").Model} Model */
/** @typedef {import("../types.js").State} State */
/** @typedef {{role: string, content: string}} Turn */

/** @type {Field[]} */
export const FIELDS = ["text", "question", "context", "source", "sentences", "labels"];

/** @param {string} text @returns {string[]} its lines that say something */
export const linesOf = (text) =>
  text
    .split("\n")
    .map((line) => line.trim())
    .filter(Boolean);

/**
 * @param {Draft} draft
 * @param {Model | undefined} model
 * @returns {{model?: string, inputs: Input | string, target?: unknown, parameters?: Record<string, unknown>,
 *   edits?: import("../types.js").Edit[]}} the body of a request
 */
export function bodyOf(draft, model) {
  const task = taskOf(model);
  const { fields } = task;
  const { chat, turns, given_answer: target, ...own } = draft.parameters;
  const parameters = draft.written ? { ...own, max_new_tokens: draft.written } : own;
  const { text = "", question = "", context = "", source = "", sentences = "", labels = "" } = draft.fields;
  const file = fileOf(task);
  /** @type {Input | string} */
  let inputs = text;
  const asked = fields.includes("text") && (text !== "" || model?.task === "image-text-to-text");
  if (file) inputs = { [file]: draft.media?.base64 ?? "", ...(asked ? { text } : {}) };
  else if (fields.includes("question")) inputs = { question, context };
  else if (fields.includes("source")) inputs = { source_sentence: source, sentences: linesOf(sentences) };
  else if (chat) inputs = { messages: [...turnsOf(turns), { role: "user", content: text }] };
  const given = fields.includes("labels") ? { ...parameters, candidate_labels: linesOf(labels) } : parameters;
  const answer = target ? { target } : {};
  const edits = draft.edits?.length ? { edits: draft.edits } : {};
  const body = { inputs, ...answer, ...(Object.keys(given).length ? { parameters: given } : {}), ...edits };
  return draft.model ? { model: draft.model, ...body } : body;
}

/** The turns of a conversation before the last question. @param {unknown} json @returns {Turn[]} */
export function turnsOf(json) {
  try {
    const turns = JSON.parse(String(json || "[]"));
    return Array.isArray(turns) ? turns : [];
  } catch {
    return [];
  }
}

/** Whether two drafts ask the same. @param {Draft} one @param {Draft} other */
export function sameDraft(one, other) {
  /** @param {Draft} draft */
  const words = ({ model, fields, parameters, edits = [] }) =>
    JSON.stringify([model, FIELDS.map((field) => fields[field] ?? ""), Object.entries(parameters).sort(), edits]);
  return words(one) === words(other) && one.media?.base64 === other.media?.base64;
}

/**
 * The edits that stay in force when another draft is asked: of another model none; of another input those of heads alone,
 * since its tokens are others.
 *
 * @param {Draft} draft
 * @param {Draft | null} shown the one that was asked last
 * @returns {import("../types.js").Edit[]}
 */
export function keptEdits(draft, shown) {
  const edits = shown?.edits ?? [];
  if (!shown || shown.model !== draft.model) return [];
  return sameDraft({ ...draft, edits }, shown) ? edits : withoutCuts(edits);
}

/**
 * The fields of an example input, as the service's models give them.
 *
 * @param {Input | string} example
 * @returns {{fields: Partial<Record<Field, string>>, file: {kind: "image" | "audio", base64: string} | null}}
 */
export function fromExample(example) {
  if (typeof example === "string") return { fields: { text: example }, file: null };
  const { question, context, text, source_sentence: source, sentences, candidate_labels: labels, messages } = example;
  /** @param {string[] | string | undefined} list */
  const lines = (list) => (Array.isArray(list) ? list.join("\n") : list);
  const plain = { text: text ?? messages?.at(-1)?.content, question, context, source };
  const fields = { ...plain, sentences: lines(sentences), labels: lines(labels) };
  for (const field of FIELDS) if (fields[field] === undefined) delete fields[field];
  const kind = FILES.find((name) => name in example);
  return { fields, file: kind ? { kind, base64: example[kind] ?? "" } : null };
}

/**
 * What a link says that options are; what the page knows nothing of is left out.
 *
 * @param {string} json
 * @returns {Draft["parameters"]}
 */
export function parametersOf(json) {
  try {
    /** @type {Draft["parameters"]} */
    const parameters = JSON.parse(json || "{}");
    return Object.fromEntries(
      Object.entries(parameters).filter(
        ([name, value]) =>
          name in OPTIONS &&
          (["string", "number", "boolean"].includes(typeof value) ||
            (name === "prefix" && Array.isArray(value) && value.every(Number.isInteger))),
      ),
    );
  } catch {
    return {};
  }
}

/** What a trace was asked by, as far as its file says. @param {import("../types.js").Summary} summary @returns {Draft} */
export function draftOfTrace({ model, request, edits = [] }) {
  const { fields } = fromExample(request?.inputs ?? "");
  const labels = request?.parameters?.candidate_labels;
  if (Array.isArray(labels)) fields.labels = labels.join("\n");
  const parameters = parametersOf(JSON.stringify(request?.parameters ?? {}));
  if (request?.target) parameters.given_answer = request.target;
  const messages = typeof request?.inputs === "object" ? request.inputs.messages : undefined;
  if (messages) Object.assign(parameters, { chat: true, turns: JSON.stringify(messages.slice(0, -1)) });
  return { model, fields, media: null, parameters, edits: edits.flatMap((edit) => editOf(edit) ?? []) };
}

/** @param {Draft} draft @returns {Partial<State>} the part of a link that says it */
export function stateOf(draft) {
  const fields = Object.fromEntries(FIELDS.map((field) => [field, draft.fields[field] ?? ""]));
  const asked = draft.written ? { ...draft.parameters, max_new_tokens: draft.written } : draft.parameters;
  const parameters = Object.keys(asked).length ? JSON.stringify(asked) : "";
  return { model: draft.model, ...fields, parameters, edits: editsText(draft.edits) };
}

/** @param {State} state @returns {Draft} without the file, which no link holds */
export function draftOf(state) {
  const fields = Object.fromEntries(FIELDS.filter((field) => state[field]).map((field) => [field, state[field]]));
  const parameters = parametersOf(state.parameters);
  return { model: state.model, fields, media: null, parameters, edits: editsOf(state.edits) };
}
