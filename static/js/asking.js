/** How an answer comes to the page: asked for, watched while it is written, or opened once more. */

import { Problem } from "./api/request.js";
import { draftOf, stateOf } from "./input/draft.js";
import { fileOf, taskOf } from "./input/tasks.js";
import { Session } from "./source/session.js";
import { isWritten, watched, Writing } from "./source/writing.js";
import { t } from "./text/i18n.js";
import { Told } from "./text/problems.js";
import { notice } from "./views/controls.js";
import { Watching } from "./views/watching.js";

/** @typedef {import("./explorer.js").Explorer} Explorer */
/** @typedef {import("./types.js").Draft} Draft */
/** @typedef {import("./types.js").Field} Field */
/** @typedef {import("./types.js").History} History */
/** @typedef {import("./types.js").Model} Model */
/** @typedef {import("./types.js").State} State */
/** @typedef {(signal: AbortSignal) => Promise<Session>} Make */

/**
 * What asks a model, and shows how it writes, if it does.
 *
 * @param {Explorer} explorer
 * @param {Draft} draft
 * @param {Model | undefined} model
 * @param {State} state
 * @returns {Make}
 */
function asked(explorer, draft, model, state) {
  if (!isWritten(draft, model)) return (signal) => Session.open(draft, model, signal);
  const writing = new Writing(watched(model, state));
  const watch = new Watching(explorer.heatmap, () => explorer.styled());
  return async (signal) => {
    try {
      return await Session.write(draft, model, signal, writing, () => {
        if (!signal.aborted && watch.show(writing)) explorer.makeRoom();
      });
    } catch (error) {
      if (watch.drawn && !signal.aborted) explorer.showMap("none"); // what was on show before
      throw error;
    } finally {
      watch.end();
    }
  };
}

/**
 * What opens an answer by its trace; where that is gone, it is made again from the text that the link has.
 *
 * @param {string} trace
 * @param {Draft} draft
 * @param {Model | undefined} model
 * @returns {Make}
 */
function reopened(trace, draft, model) {
  return (signal) =>
    Session.reopen(trace, draft, model, signal).catch(async (error) => {
      if (!(error instanceof Problem && [404, 410].includes(error.status))) throw error;
      const task = taskOf(model);
      if (fileOf(task)) throw new Told("traceGone");
      if (!task.fields.some((field) => draft.fields[/** @type {Field} */ (field)])) throw new Told("traceGoneText");
      const session = await Session.open(draft, model, signal);
      notice(t("traceMadeAgain"));
      return session;
    });
}

/**
 * Asks the model, then shows.
 *
 * @param {Explorer} explorer
 * @param {Draft} draft
 * @param {Model | undefined} model
 * @param {Partial<State>} patch
 * @param {History} history
 * @param {() => unknown} [again] asks once more, where the service does not answer now
 */
export function ask(explorer, draft, model, patch, history, again) {
  const wanted = { ...patch, ...stateOf(draft) };
  const make = asked(explorer, draft, model, { ...explorer.state, ...wanted });
  return explorer.open(make, wanted, model, history, again);
}

/**
 * Shows what was asked before, by the trace that the state names.
 *
 * @param {Explorer} explorer
 * @param {State} state
 * @param {Model | undefined} model
 * @param {History} history
 * @param {() => unknown} [again]
 */
export function reopen(explorer, state, model, history, again) {
  const draft = { ...draftOf(state), media: explorer.files.get(state.trace) ?? null };
  return explorer.open(reopened(state.trace, draft, model), state, model, history, again);
}
