/** What the page knows of each task: its inputs, its button, its options. A new task is one line here. */

/** @typedef {import("../types.js").Model} Model */
/** @typedef {import("../types.js").Field} Field */
/** @typedef {import("../types.js").Value} Value */
/**
 * @typedef {object} Option a parameter that readers may set
 * @property {"whole" | "number" | "word" | "switch" | "choice" | "begin" | "turns"} kind
 * @property {Value[]} [choices]
 * @property {number} [least]
 * @property {number} [most]
 * @property {Value} [standard] what the service does where the reader leaves it alone, where it says so
 *
 * @typedef {object} Task
 * @property {(Field | "image" | "audio")[]} fields in the order of the form
 * @property {string} verb names the button's text and the result's title
 * @property {string[]} options offered where the service does not say what the model takes
 */

const MOST_TOKENS = 32_768; // of an output, as the service takes it; a model's own limit is its default

/** @type {Record<string, Option>} as `parameters` of a request calls them; `chat`, `turns` and `given_answer` are the page's own */
export const OPTIONS = {
  beam_size: { kind: "whole", least: 1, most: 16 },
  max_new_tokens: { kind: "whole", least: 1, most: MOST_TOKENS },
  length_penalty: { kind: "number", least: 0, most: 5 },
  do_sample: { kind: "switch" },
  temperature: { kind: "number", least: 0.01, most: 10 },
  top_p: { kind: "number", least: 0.01, most: 1 },
  seed: { kind: "whole", least: 0 },
  top_k: { kind: "whole", least: 0 },
  chat: { kind: "switch" },
  src_lang: { kind: "word" },
  tgt_lang: { kind: "word" },
  language: { kind: "word" },
  return_timestamps: { kind: "choice", choices: [true, "word", "char"] },
  aggregation_strategy: { kind: "choice", choices: ["none", "simple", "first", "average", "max"] },
  function_to_apply: { kind: "choice", choices: ["sigmoid", "softmax", "none"] },
  max_answer_len: { kind: "whole", least: 1, most: 512 },
  normalize: { kind: "choice", choices: [true, false] },
  hypothesis_template: { kind: "word" },
  prefix: { kind: "begin" },
  given_answer: { kind: "word" },
  turns: { kind: "turns" },
};

const PROMPTED = ["blip"]; // families of captioners that go on from a text, where there is one
const LANGUAGES = ["src_lang", "tgt_lang"];
const written = ["beam_size", "max_new_tokens"];
const sampled = ["do_sample", "max_new_tokens", "temperature", "seed"];

/** @type {Record<string, Task>} */
export const TASKS = {
  translation: { fields: ["text"], verb: "translate", options: [...LANGUAGES, ...written] },
  summarization: { fields: ["text"], verb: "summarise", options: written },
  "text2text-generation": { fields: ["text"], verb: "generate", options: written },
  "text-generation": { fields: ["text"], verb: "generate", options: ["chat", ...sampled] },
  "fill-mask": { fields: ["text"], verb: "fill", options: ["top_k"] },
  "text-classification": { fields: ["text"], verb: "classify", options: ["top_k", "function_to_apply"] },
  "token-classification": { fields: ["text"], verb: "tag", options: ["aggregation_strategy"] },
  "question-answering": { fields: ["question", "context"], verb: "answer", options: ["max_answer_len"] },
  "feature-extraction": { fields: ["text"], verb: "embed", options: ["normalize"] },
  "sentence-similarity": { fields: ["source", "sentences"], verb: "compare", options: [] },
  "image-classification": { fields: ["image"], verb: "classify", options: ["top_k"] },
  "zero-shot-image-classification": {
    fields: ["image", "labels"],
    verb: "classify",
    options: ["hypothesis_template"],
  },
  "image-to-text": { fields: ["image"], verb: "describe", options: written },
  "image-text-to-text": { fields: ["image", "text"], verb: "generate", options: sampled },
  "image-feature-extraction": { fields: ["image"], verb: "embed", options: [] },
  "automatic-speech-recognition": { fields: ["audio"], verb: "transcribe", options: ["language", "return_timestamps"] },
  "audio-classification": { fields: ["audio"], verb: "classify", options: ["top_k"] },
};

/** @type {Task} of a task that the page does not know yet */
const PLAIN = { fields: ["text"], verb: "predict", options: [] };

const ELSEWHERE = ["candidate_labels", "stop"]; // parameters that have a field of their own in the form, or none

/**
 * What readers may set for a model: what it takes, by the service's word; for a service that does not say, the task's.
 *
 * @param {Model | undefined} model
 * @returns {Record<string, Option>} in the order of the form
 */
export function optionsOf(model) {
  const known = TASKS[model?.task ?? ""]?.options ?? PLAIN.options;
  const chat = known.includes("chat") && model?.chat !== false ? ["chat", "turns"] : [];
  const taken = model?.parameters;
  if (typeof taken !== "object") {
    const pair = Boolean(model?.languages?.source); // it translates between two languages and knows no others
    const names = known.filter((name) => name !== "chat" && !(pair && LANGUAGES.includes(name)));
    return Object.fromEntries([...chat, ...names].map((name) => [name, OPTIONS[name]]));
  }
  // The page's own order first, then what it knows nothing of.
  const names = [...new Set([...known, ...Object.keys(OPTIONS), ...Object.keys(taken)])];
  const offered = names.filter((name) => name in taken && !ELSEWHERE.includes(name));
  return Object.fromEntries([
    ...chat.map((name) => [name, OPTIONS[name]]),
    ...offered.map((name) => [name, optionOf(name, taken[name])]),
    ...("max_new_tokens" in taken ? [["given_answer", OPTIONS.given_answer]] : []),
  ]);
}

/**
 * How a parameter is set, by what the page knows of it and the service says of it.
 *
 * @param {string} name
 * @param {import("../types.js").Parameter} parameter
 * @returns {Option}
 */
function optionOf(name, { default: standard, choices }) {
  const known = OPTIONS[name] ?? { kind: typeof standard === "number" ? "number" : "word" };
  const said = standard === null || standard === undefined ? {} : { standard };
  if (choices) return { kind: "choice", choices: choices.filter((choice) => choice !== standard), ...said };
  // A switch can only be turned on: what is on by itself has to be turned off by choosing.
  if (standard === true) return { kind: "choice", choices: [false], standard };
  return { ...known, ...(standard === false && !OPTIONS[name] ? { kind: "switch" } : {}), ...said };
}

/**
 * @param {Model | undefined} model
 * @returns {Task} the model's; where its own example is a file, the field is that, whatever the task
 */
export function taskOf(model) {
  const known = TASKS[model?.task ?? ""] ?? PLAIN;
  const prompted = known === TASKS["image-to-text"] && PROMPTED.includes(model?.family ?? "");
  const task = { ...known, fields: prompted ? [...known.fields, /** @type {const} */ ("text")] : known.fields };
  const example = model?.examples?.[0];
  if (typeof example !== "object") return task;
  const file = FILES.find((kind) => kind in example);
  if (!file || task.fields.includes(file)) return task;
  return { ...task, fields: "text" in example ? [file, "text"] : [file] };
}

/** @type {("image" | "audio")[]} kinds of files that models read */
export const FILES = ["image", "audio"];

/** Labels to begin with, where an example has none of its own. */
export const LABELS = ["a red disc", "a green field", "a cat"];

/** The kind of file that a task reads, if any. @param {Task} task */
export function fileOf(task) {
  return FILES.find((kind) => task.fields.includes(kind)) ?? null;
}
