/**
 * What a trace file says of itself, before anything of it is shown: the page and its maps may then take it for granted.
 * The service's own rules are in `model/trace/checks.py`; here a limit is one of what a page can show.
 */

import { require } from "./bad_file.js";
import { isCount, isRecord } from "./tensors.js";

/** @typedef {import("../types.js").Axis} Axis */
/** @typedef {import("../types.js").Site} Site */
/** @typedef {import("../types.js").Summary} Summary */

const LENGTH = 1 << 20; // positions of an axis
const HEADS = 1 << 14; // of a site, layers times heads: each has a small picture (126 layers of 128 heads have 16,128)
const SITES = 64;
const DEPTH = 8; // of an answer: lists of lists of numbers
const NAME = /^[A-Za-z]\w{0,63}$/;
const KINDS = new Set(["text", "image", "audio", "mixed"]);

const isText = (/** @type {unknown} */ value) => typeof value === "string";
const isNumber = (/** @type {unknown} */ value) => typeof value === "number";
const isNothing = (/** @type {unknown} */ value) => value === undefined || value === null;
/** @param {unknown} value @param {number} length */
const isNumbers = (value, length) => Array.isArray(value) && value.length === length && value.every(isNumber);

/** What each list of an axis holds. @type {Record<string, (entry: unknown) => boolean>} */
const LISTS = {
  labels: isText,
  ids: isNumber,
  spans: (entry) => isNumbers(entry, 2),
  special: (entry) => typeof entry === "boolean",
  segments: (entry) => entry === null || isNumber(entry),
  boxes: (entry) => entry === null || isNumbers(entry, 4),
  seconds: (entry) => isNumbers(entry, 2),
};
const NEEDED = new Set(["labels", "ids", "spans", "special"]);

/** @param {string} name @param {unknown} axis @returns {asserts axis is Axis} */
function checkAxis(name, axis) {
  const place = { place: `axes.${name}` };
  require(isRecord(axis) && KINDS.has(String(axis.kind)), "badSummary", place);
  const length = Array.isArray(axis.labels) ? axis.labels.length : 0;
  require(length > 0, "badSummary", place);
  require(length <= LENGTH, "badLarge", { ...place, count: length, most: LENGTH });
  for (const [field, holds] of Object.entries(LISTS)) {
    const list = axis[field];
    if (isNothing(list) && !NEEDED.has(field)) continue;
    const fits = Array.isArray(list) && list.length === length && list.every(holds);
    require(fits, "badSummary", { place: `axes.${name}.${field}` });
  }
  require(isNothing(axis.size) || isNumbers(axis.size, 2), "badSummary", { place: `axes.${name}.size` });
  require(isNothing(axis.duration) || isNumber(axis.duration), "badSummary", { place: `axes.${name}.duration` });
}

/** @param {unknown} site @param {Record<string, unknown>} axes @param {Record<string, unknown>} layers @returns {asserts site is Site} */
function checkSite(site, axes, layers) {
  const name = isRecord(site) ? String(site.name) : "";
  require(isRecord(site) && NAME.test(name), "badSummary", { place: `sites: ${name}` });
  /** @param {unknown} holds @param {string} field */
  const needs = (holds, field) => require(holds, "badSummary", { place: `sites.${name}.${field}` });
  const { queries, keys, heads, shape, mask, levels } = site;
  const described = Object.hasOwn(layers, name) ? layers[name] : null;
  needs(Array.isArray(described) && described.length > 0 && described.length === site.layers, "layers");
  needs(isCount(heads) && heads > 0, "heads");
  needs(isCount(site.kv_heads) && site.kv_heads > 0 && Number(heads) % site.kv_heads === 0, "kv_heads");
  const count = Number(site.layers) * Number(heads);
  require(count <= HEADS, "badLarge", { place: `${name}: layers × heads`, count, most: HEADS });
  /** @param {unknown} axis */
  const lengthOf = (axis) =>
    isText(axis) && Object.hasOwn(axes, String(axis)) ? /** @type {Axis} */ (axes[String(axis)]).labels.length : NaN;
  needs(isNumbers(shape, 2), "shape");
  needs(/** @type {number[]} */ (shape)[0] === lengthOf(queries), "queries");
  needs(/** @type {number[]} */ (shape)[1] === lengthOf(keys), "keys");
  needs(isNothing(mask) || isText(mask), "mask");
  needs(isNothing(levels) || isCount(levels), "levels");
}

/** What the fields of an answer hold where they are there. @type {Record<string, (value: unknown) => boolean>} */
const FIELDS = {
  text: isText,
  generated_text: isText,
  answer: isText,
  label: isText,
  token_str: isText,
  word: isText,
  entity: isText,
  entity_group: isText,
  finish_reason: isText,
  score: isNumber,
  start: isNumber,
  end: isNumber,
  unread_words: isNumber,
  p_gen: (value) => Array.isArray(value) && value.every(isNumber),
  tokens: (value) => Array.isArray(value) && value.every(isText),
  chunks: (value) => Array.isArray(value) && value.every((chunk) => isRecord(chunk) && isText(chunk.text)),
};

/** Whether an answer is of a form that tasks have. @param {unknown} answer @param {number} [depth] @returns {boolean} */
function isAnswer(answer, depth = 0) {
  if (answer === null || typeof answer === "number") return true;
  if (depth > DEPTH) return false;
  if (isRecord(answer)) {
    const ranked = depth > 0 && ["label", "token_str", "word"].some((name) => name in answer);
    const fits = Object.entries(answer).every(
      ([name, value]) => isNothing(value) || !Object.hasOwn(FIELDS, name) || FIELDS[name](value),
    );
    return fits && (!ranked || isNumber(answer.score));
  }
  if (!Array.isArray(answer) || !answer.every((entry) => entry !== null && isAnswer(entry, depth + 1))) return false;
  return new Set(answer.map((entry) => (Array.isArray(entry) ? "list" : typeof entry))).size <= 1;
}

/** Whether what was asked is of a form that fields have. @param {unknown} inputs */
function isInput(inputs) {
  if (isNothing(inputs) || isText(inputs)) return true;
  if (!isRecord(inputs)) return false;
  return Object.entries(inputs).every(([name, value]) => {
    if (name === "messages")
      return Array.isArray(value) && value.every((message) => isRecord(message) && isText(message.content));
    return isNothing(value) || isText(value) || isRecord(value) || (Array.isArray(value) && value.every(isText));
  });
}

/** @param {unknown} value of the certificate: a number, or none */
const isMeasured = (value) => isNothing(value) || isNumber(value);

/** @param {unknown} certificate */
function isCertificate(certificate) {
  if (!isRecord(certificate)) return false;
  const { max_error, relative_error, tolerance, rows_checked, kernel, dtype, versions, errors, warning } = certificate;
  const texts = isText(kernel) && isText(dtype) && (isNothing(warning) || isText(warning));
  const named = isRecord(versions) && Object.values(versions).every(isText);
  return texts && named && isNumber(rows_checked) && [max_error, relative_error, tolerance].every(isMeasured) &&
    (isNothing(errors) || isRecord(errors));
}

/**
 * The summary and what is said of the layers.
 *
 * @param {unknown} trace the metadata's JSON, read
 * @returns {{summary: Omit<Summary, "id" | "model">, layers: Record<string, unknown[]>, recorded: Record<string, unknown>}}
 * @throws {import("./bad_file.js").BadFile} it is no such thing
 */
export function checkedSummary(trace) {
  require(isRecord(trace), "badSummary", { place: "trace" });
  const { layers, model: recorded, ...summary } = trace;
  const { axes, sites, task, prediction, certificate, request } = summary;
  require(isText(task), "badSummary", { place: "task" });
  require(isRecord(recorded) && isText(recorded.revision), "badSummary", { place: "model" });
  require(isRecord(axes), "badSummary", { place: "axes" });
  for (const [name, axis] of Object.entries(axes)) checkAxis(name, axis);
  require(isRecord(layers), "badSummary", { place: "layers" });
  require(Array.isArray(sites) && sites.length > 0 && sites.length <= SITES, "badSummary", { place: "sites" });
  for (const site of sites) checkSite(site, axes, layers);
  const names = new Set(sites.map(({ name }) => name));
  require(names.size === sites.length, "badSummary", { place: "sites" });
  require(isAnswer(prediction ?? null), "badSummary", { place: "prediction" });
  require(isCertificate(certificate), "badSummary", { place: "certificate" });
  require(isNothing(request) || (isRecord(request) && isInput(request.inputs)), "badSummary", { place: "request" });
  const parameters = isRecord(request) ? request.parameters : null;
  require(isNothing(parameters) || isRecord(parameters), "badSummary", { place: "request.parameters" });
  return {
    summary: /** @type {any} */ (summary), // every part of it that the page reads was looked at
    layers: /** @type {Record<string, unknown[]>} */ (layers),
    recorded,
  };
}
