/** What the page knows of each task: its inputs, its button, its options. A new task is one line here. */

/** @typedef {import("../types.js").Model} Model */
/** @typedef {import("../types.js").Field} Field */
/**
 * @typedef {object} Option a parameter that readers may set
 * @property {"whole" | "number" | "word" | "switch" | "choice"} kind
 * @property {(string | boolean)[]} [choices]
 * @property {number} [least]
 * @property {number} [most]
 *
 * @typedef {object} Task
 * @property {(Field | "image" | "audio")[]} fields in the order of the form
 * @property {string} verb names the button's text and the result's title
 * @property {string[]} options
 */

/** @type {Record<string, Option>} as `parameters` of a request calls them; `chat` is the page's own */
export const OPTIONS = {
  beam_size: { kind: "whole", least: 1, most: 16 },
  max_new_tokens: { kind: "whole", least: 1, most: 512 },
  do_sample: { kind: "switch" },
  temperature: { kind: "number", least: 0.01, most: 10 },
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

/**
 * @param {Model | undefined} model
 * @returns {Task} the model's; where its own example is a file, the field is that, whatever the task
 */
export function taskOf(model) {
  const known = TASKS[model?.task ?? ""] ?? PLAIN;
  const pair = Boolean(model?.languages?.source); // it translates between two languages and knows no others
  const needless = [...(pair ? LANGUAGES : []), ...(model?.chat === false ? ["chat"] : [])];
  const options = known.options.filter((name) => !needless.includes(name));
  const prompted = known === TASKS["image-to-text"] && PROMPTED.includes(model?.family);
  const task = { ...known, options, fields: prompted ? [...known.fields, "text"] : known.fields };
  const example = model?.examples?.[0];
  const file = ["image", "audio"].find((kind) => example && typeof example === "object" && kind in example);
  if (!file || task.fields.some((field) => field === file)) return task;
  return { ...task, fields: [/** @type {"image" | "audio"} */ (file), ...("text" in example ? ["text"] : [])] };
}

/** Labels to begin with, where an example has none of its own. */
export const LABELS = ["a red disc", "a green field", "a cat"];

/** The kind of file that a task reads, if any. */
export function fileOf(task) {
  return task.fields.find((field) => field === "image" || field === "audio") ?? null;
}
