/** Which measure of cells is on show, and what it takes: the same trace, or one of the same input with an objective. */

import { asError, isAbort } from "../api/request.js";
import { t } from "../text/i18n.js";
import { FileSource } from "./file_source.js";
import { MeasuredSession } from "./measured.js";
import { objectiveOf } from "./objectives.js";

/** @typedef {import("./session.js").Session} Session */
/** @typedef {import("./trace_source.js").TraceSource} TraceSource */
/** @typedef {import("../types.js").Measure} Measure */
/** @typedef {import("../types.js").State} State */
/** @typedef {Pick<State, "measure" | "objective" | "site">} Wanted */

/** The measures of cells of a source, as they declare themselves. @param {Session} session @param {TraceSource} [source] @returns {Promise<Measure[]>} */
export function measuresOf(session, source = session.source) {
  const ask = () => source.measures(session.controller.signal);
  return session.keep(`measures/${source.summary.id}`, ask, 0).then((all) => all.filter(({ kind }) => kind === "cell"));
}

/** What a site lacks for a measure, in a sentence; null where it is defined. @param {Measure} measure @param {string} site */
export const lacks = ({ sites }, site) => sites?.find((each) => each.site === site)?.lacks ?? null;

/**
 * Whether a measure can be on show at a site: it is defined, or an objective is what it lacks, and can be had.
 *
 * @param {Session} session
 * @param {Measure} measure
 * @param {string} site
 */
export function possible(session, { sites }, site) {
  const there = sites?.find((each) => each.site === site);
  return !there || there.lacks === null || (there.objective && whyNoObjective(session) === null);
}

/** Why no objective can be asked for; null where one can. @param {Session} session */
export function whyNoObjective(session) {
  if (session.source instanceof FileSource) return t("objectiveFile");
  return session.lacksMedia() ? t("objectiveMedia") : null;
}

/**
 * The source of the same answer that has an objective.
 *
 * @param {Session} session
 * @param {string} name of the objective, as links have it; empty: the whole answer
 * @returns {Promise<TraceSource>}
 * @throws {Error} there is none to be had
 */
export function towards(session, name) {
  const { source, summary } = session;
  if (summary.objective && name === "") return Promise.resolve(source);
  const why = whyNoObjective(session);
  if (why !== null) return Promise.reject(new Error(why));
  const ask = async () => {
    const other = await source.towards(objectiveOf(session, name), session.controller.signal);
    /** @param {TraceSource} of */
    const labels = (of) => JSON.stringify(Object.values(of.summary.axes).map((axis) => axis.labels));
    if (labels(other) !== labels(source)) throw new Error(t("objectiveOther")); // a model that samples may answer anew
    return other;
  };
  return session.keep(`towards/${name}`, ask, 0);
}

/** @type {WeakMap<Session, Map<string, string>>} why a measure is not on show, by what was wanted */
const refused = new WeakMap();

/** @type {WeakMap<Session, MeasuredSession>} whose maps were on show last */
const latest = new WeakMap();

/** @param {Wanted} wanted */
const nameOf = ({ measure, objective, site }) => [measure, objective, site].join("/");

/** Why the wanted measure is not on show; null where it is, or is on its way. @param {Session} session @param {Wanted} wanted */
export const refusal = (session, wanted) => refused.get(session)?.get(nameOf(wanted)) ?? null;

/**
 * The session whose maps have the wanted measure; the same, with its weights, where the measure is not to be had here:
 * `refusal` then says why.
 *
 * @param {Session} session
 * @param {Wanted} wanted
 * @param {import("../types.js").Head} head
 * @returns {Promise<Session>}
 */
export async function measured(session, wanted, head) {
  if (!wanted.measure || wanted.measure === "weights") return session;
  try {
    const made = await session.keep(`measured/${nameOf(wanted)}`, () => make(session, wanted), 0);
    const before = latest.get(session);
    if (before !== made) before?.thin();
    latest.set(session, made);
    await made.prepare(wanted.site, head);
    refused.get(session)?.delete(nameOf(wanted));
    return made;
  } catch (error) {
    if (isAbort(error)) throw error;
    const why = refused.get(session) ?? new Map();
    refused.set(session, why.set(nameOf(wanted), asError(error).message));
    return session;
  }
}

/** @param {Session} session @param {Wanted} wanted */
async function make(session, { measure: name, objective, site }) {
  const found = (await measuresOf(session)).find((measure) => measure.name === name);
  if (!found) throw new Error(t("measureUnknown", { name }));
  if (!found.objective || !possible(session, found, site)) return new MeasuredSession(session, session.source.measured(defined(found, site)), found);
  const source = await towards(session, objective);
  const there = (await measuresOf(session, source)).find((measure) => measure.name === name) ?? found;
  return new MeasuredSession(session, source.measured(defined(there, site)), there);
}

/** A measure that a site has all for. @param {Measure} measure @param {string} site @throws {Error} it lacks something */
function defined(measure, site) {
  const why = lacks(measure, site);
  if (why !== null) throw new Error(why);
  return measure;
}
