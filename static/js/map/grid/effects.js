/** What silencing each head does to an objective: kept with the answer, and coloured around zero. */

import { towards } from "../../source/choose.js";
import { colourAt, tone } from "../colour.js";

/** @typedef {import("../../source/session.js").Session} Session */
/** @typedef {import("../../types.js").HeadRow} HeadRow */
/** @typedef {import("../../types.js").SiteEffects} SiteEffects */
/** @typedef {import("../../types.js").Theme} Theme */
/** @typedef {import("../../types.js").Unit} Unit */
/**
 * @typedef {object} Held the effects of all heads of an answer
 * @property {SiteEffects[]} sites
 * @property {boolean} measured by a pass each; else estimated
 * @property {number | null} together the correlation of the two (Pearson), where both are known
 * @property {number} value of the objective as it is
 * @property {Unit} unit all sites' heads are compared by eye
 */

/** @type {WeakMap<Session, Map<string, Held>>} by the objective's name */
const known = new WeakMap();

/** What is known of an answer. @param {Session | null} session @param {Pick<import("../../types.js").State, "objective">} state @returns {Held | null} */
export const effectsHeld = (session, { objective }) => (session && known.get(session)?.get(objective)) ?? null;

/**
 * Asks for the effects of all heads.
 *
 * @param {Session} session
 * @param {string} objective its name, as links have it
 * @param {boolean} measured by a pass each, too
 * @param {AbortSignal} signal
 * @returns {Promise<Held>}
 */
export async function askEffects(session, objective, measured, signal) {
  const source = await towards(session, objective);
  const { sites, value, correlation } = await source.effects(measured, signal);
  const flat = sites.flatMap(({ estimated, measured: real }) => (real ?? estimated).flat());
  const limit = Math.max(...flat.map((effect) => Math.abs(effect ?? 0))) || 1;
  /** @type {Held} */
  const held = {
    sites,
    measured,
    together: correlation?.pearson ?? null,
    value: value.trace,
    unit: { name: "effect", signed: true, limit },
  };
  const all = known.get(session) ?? new Map();
  known.set(session, all.set(objective, held));
  return held;
}

/** The same rows, each with its head's effect, measured where that is known. @param {HeadRow[]} rows @param {Held | null} held @returns {HeadRow[]} */
export function withEffects(rows, held) {
  if (!held) return rows;
  return rows.map((row) => {
    const site = held.sites.find(({ name }) => name === row.site);
    const effect = (site?.measured ?? site?.estimated)?.[row.layer]?.[row.head];
    return typeof effect === "number" ? { ...row, effect } : row;
  });
}

/** @param {number | undefined} effect @param {Held} held @param {Theme} theme @returns {string | null} null where it is not known */
export function effectColour(effect, { unit }, theme) {
  return effect === undefined ? null : `rgb(${colourAt("signed", theme, tone(effect, "linear", unit)).join(",")})`;
}
