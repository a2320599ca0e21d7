/** An input as it stands in the form: to and from requests, links and examples. */

import { FILES, fileOf, OPTIONS, taskOf } from "./tasks.js";

/** @typedef {import("../types.js").Draft} Draft */
/** @typedef {import("../types.js").Field} Field */
/** @typedef {import("../types.js").Input} Input */
/** @typedef {import("../types.js").Model} Model */
/** @typedef {import("../types.js").State} State */

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
 * @returns {{model?: string, inputs: Input | string, parameters?: Record<string, unknown>}} the body of a request
 */
export function bodyOf(draft, model) {
  const task = taskOf(model);
  const { fields } = task;
  const { chat, ...parameters } = draft.parameters;
  const { text = "", question = "", context = "", source = "", sentences = "", labels = "" } = draft.fields;
  const file = fileOf(task);
  /** @type {Input | string} */
  let inputs = text;
  const asked = fields.includes("text") && (text !== "" || model?.task === "image-text-to-text");
  if (file) inputs = { [file]: draft.media?.base64 ?? "", ...(asked ? { text } : {}) };
  else if (fields.includes("question")) inputs = { question, context };
  else if (fields.includes("source")) inputs = { source_sentence: source, sentences: linesOf(sentences) };
  else if (chat) inputs = { messages: [{ role: "user", content: text }] };
  const given = fields.includes("labels") ? { ...parameters, candidate_labels: linesOf(labels) } : parameters;
  const body = Object.keys(given).length ? { inputs, parameters: given } : { inputs };
  return draft.model ? { model: draft.model, ...body } : body;
}

/** Whether two drafts ask the same. @param {Draft} one @param {Draft} other */
export function sameDraft(one, other) {
  /** @param {Draft} draft */
  const words = ({ model, fields, parameters }) =>
    JSON.stringify([model, FIELDS.map((field) => fields[field] ?? ""), Object.entries(parameters).sort()]);
  return words(one) === words(other) && one.media?.base64 === other.media?.base64;
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
        ([name, value]) => name in OPTIONS && ["string", "number", "boolean"].includes(typeof value),
      ),
    );
  } catch {
    return {};
  }
}

/** What a trace was asked by, as far as its file says. @param {import("../types.js").Summary} summary @returns {Draft} */
export function draftOfTrace({ model, request }) {
  const { fields } = fromExample(request?.inputs ?? "");
  const labels = request?.parameters?.candidate_labels;
  if (Array.isArray(labels)) fields.labels = labels.join("\n");
  return { model, fields, media: null, parameters: parametersOf(JSON.stringify(request?.parameters ?? {})) };
}

/** @param {Draft} draft @returns {Partial<State>} the part of a link that says it */
export function stateOf(draft) {
  const fields = Object.fromEntries(FIELDS.map((field) => [field, draft.fields[field] ?? ""]));
  const parameters = Object.keys(draft.parameters).length ? JSON.stringify(draft.parameters) : "";
  return { model: draft.model, ...fields, parameters };
}

/** @param {State} state @returns {Draft} without the file, which no link holds */
export function draftOf(state) {
  const fields = Object.fromEntries(FIELDS.filter((field) => state[field]).map((field) => [field, state[field]]));
  return { model: state.model, fields, media: null, parameters: parametersOf(state.parameters) };
}
