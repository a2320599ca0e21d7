/** What the lab asks of the service; the contract's functions are in api/. */

import { models, trace } from "../api/routes.js";
import { request } from "../api/request.js";
import { Told } from "../text/problems.js";

/** @typedef {import("../types.js").Model} Model */
/** @typedef {import("../types.js").Summary} Summary */
/** @typedef {{output: number[][], weights: number[][], lse: (number | null)[], shape: number[], kernel: string}} Attended */
/** @typedef {{site: string, layer: number, head: number | string, shape: number[], weights: number[][] | number[][][]}} OneMap */
/** @typedef {{model: string, prediction: {text: string, tokens: string[]}, axes: Record<string, import("../types.js").Axis>, attention?: OneMap[]}} Predicted */

const HEADERS = { "Content-Type": "application/json" };

/** The bare operator. @param {object} body @param {AbortSignal} [signal] @returns {Promise<Attended>} */
export async function attend(body, signal) {
  return (await request("v1/attention", { method: "POST", headers: HEADERS, body: JSON.stringify(body), signal })).json();
}

/**
 * The same, timed from the first byte sent to the last one here.
 *
 * @param {string} body JSON, made before the clock starts
 * @param {AbortSignal} [signal]
 * @returns {Promise<{seconds: number, bytes: number, answer: string}>}
 */
export async function timed(body, signal) {
  const began = performance.now();
  const response = await request("v1/attention", { method: "POST", headers: HEADERS, body, signal });
  const answer = await response.text();
  return { seconds: (performance.now() - began) / 1000, bytes: new TextEncoder().encode(answer).length, answer };
}

/** @param {object} body @param {AbortSignal} [signal] @returns {Promise<Predicted>} */
export async function predict(body, signal) {
  return (await request("v1/predict", { method: "POST", headers: HEADERS, body: JSON.stringify(body), signal })).json();
}

/** @param {string} id of a trace @param {object} body @param {AbortSignal} [signal] */
export async function effects(id, body, signal) {
  const options = { method: "POST", headers: HEADERS, body: JSON.stringify(body), signal };
  return (await request(`v1/traces/${id}/effects`, options)).json();
}

/** @type {Promise<Model[]> | null} */
let list = null;

/** The models that are served; asked for once. @returns {Promise<Model[]>} */
export function served() {
  list ??= models().catch((error) => {
    list = null; // another time, perhaps
    throw error;
  });
  return list;
}

/** A model that is served, by its name. @param {string} name @returns {Promise<Model | undefined>} */
export const modelNamed = async (name) => (await served()).find((model) => model.name === name);

/**
 * The Transformer that translates: de-en where it is served, else the first that has the same sites.
 *
 * @returns {Promise<Model>}
 * @throws {Told} there is none
 */
export async function translator() {
  const all = await served();
  const fitting = all.filter(({ task, sites }) => task === "translation" && sites?.some(({ name }) => name === "encoder"));
  const chosen = fitting.find(({ name }) => name === "de-en") ?? fitting[0];
  if (!chosen) throw new Told("labNoTranslator");
  return chosen;
}

const KEPT = 8; // answers: a reader goes back and forth between two sentences
/** @type {Map<string, Promise<Summary>>} */
const traces = new Map();

/** The trace of a text, whose objective is all of its translation. @param {string} model @param {string} text @returns {Promise<Summary>} */
export function traceOf(model, text) {
  const key = JSON.stringify([model, text]);
  const known = traces.get(key);
  if (known) return known;
  const asked = trace({ model, inputs: text, objective: { tokens: "all" } });
  asked.catch(() => traces.delete(key));
  traces.set(key, asked);
  const [oldest] = traces.keys();
  if (traces.size > KEPT) traces.delete(oldest);
  return asked;
}
