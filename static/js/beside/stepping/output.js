/** Where an output's tokens stand: on which axis, from which token on, and at which query each was chosen. No document. */

import { writtenOf } from "../../text/texts.js";

/** @typedef {import("../../source/session.js").Session} Session */
/** @typedef {import("../../types.js").Axis} Axis */
/**
 * @typedef {object} Output
 * @property {string} name of its axis
 * @property {Axis} axis
 * @property {number} told tokens of the axis that are not of the output
 * @property {number} count tokens of the output
 */

/** @param {Session} session @returns {Output | null} null where the answer was not written token by token */
export function outputOf({ summary }) {
  const { axes, prediction } = summary;
  const count = writtenOf(prediction).tokens?.length ?? 0;
  const name = axes.target ? "target" : axes.tokens ? "tokens" : "";
  if (!count || !name) return null;
  return { name, axis: axes[name], told: name === "target" ? 0 : axes[name].labels.length - count, count };
}

/**
 * The row of a site's maps from which a token of the output was chosen; null where the site has none.
 *
 * @param {Session} session
 * @param {string} site
 * @param {Output} output
 * @param {number} place of the token in the output
 */
export function rowOf(session, site, { name, told }, place) {
  if (session.site(site).queries !== name) return null;
  return name === "target" ? place : told + place - 1; // a decoder alone reads a token and chooses the next one
}

/**
 * How many tokens of an output were given: its beginning, which the model went on from.
 *
 * @param {Session} session
 * @param {Output} output
 */
export function givenOf({ draft }, { axis, told, count }) {
  const { prefix, given_answer: whole } = draft.parameters;
  if (whole) return count;
  if (Array.isArray(prefix)) return Math.min(prefix.length, count);
  if (typeof prefix !== "string") return 0;
  const length = [...prefix].length;
  let given = 0;
  while (given < count && !axis.special[told + given] && axis.spans[told + given][1] <= length) given += 1;
  return given;
}

/** The ids of an output. @param {Output} output @returns {number[]} */
export const idsOf = ({ axis, told, count }) => axis.ids.slice(told, told + count);
