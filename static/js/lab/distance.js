/** How well a translator says a sentence that comes after so many others: its own translation, scored by itself. */

import { trace } from "../api/routes.js";
import { traceOf } from "./service.js";

/** @typedef {import("../types.js").Summary} Summary */
/** @typedef {import("../types.js").Written} Written */

export const FILLER = "Wo ist der Bahnhof?";
export const BEFORE = [0, 1, 2, 4, 8, 16]; // sentences before the one that is looked at

/** @param {Summary} summary */
const textOf = ({ prediction }) => /** @type {Written} */ (prediction).text ?? "";

/**
 * The mean log-probability of a token of the sentence's own translation, when so many other sentences go before.
 *
 * @param {string} model
 * @param {string} text
 * @param {AbortSignal} signal
 * @param {() => void} step told after each
 * @returns {Promise<number[]>} nats, one for each of BEFORE; NaN where the tokens are other ones in company
 */
export async function byDistance(model, text, signal, step) {
  const [alone, filler] = [await traceOf(model, text), await traceOf(model, FILLER)];
  const last = alone.axes.target.ids;
  const each = filler.axes.target.ids.length - 1; // without its end
  const found = [];
  for (const many of BEFORE) {
    signal.throwIfAborted();
    const joined = (/** @type {string} */ first, /** @type {string} */ then) => [...new Array(many).fill(first), then].join(" ");
    const tokens = last.map((_, at) => many * each + at);
    const body = { model, inputs: joined(FILLER, text), target: joined(textOf(filler), textOf(alone)), objective: { tokens } };
    const { objective, axes } = await trace(body, signal);
    const same = last.every((id, at) => axes.target.ids[tokens[at]] === id);
    found.push(same ? (objective?.value ?? NaN) / last.length : NaN);
    step();
  }
  return found;
}
