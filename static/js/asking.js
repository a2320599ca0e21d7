/** How an answer comes to the page: asked for, watched while it is written, or opened once more. */

import { Problem } from "./api/request.js";
import { Session } from "./source/session.js";
import { isWritten, watched, Writing } from "./source/writing.js";
import { t } from "./text/i18n.js";
import { Watching } from "./views/watching.js";

/** @typedef {import("./explorer.js").Explorer} Explorer */
/** @typedef {import("./types.js").Draft} Draft */
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
export function asked(explorer, draft, model, state) {
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
 * What opens an answer by its trace.
 *
 * @param {string} trace
 * @param {Draft} draft
 * @param {Model | undefined} model
 * @returns {Make}
 */
export function reopened(trace, draft, model) {
  return (signal) =>
    Session.reopen(trace, draft, model, signal).catch((error) => {
      throw error instanceof Problem && [404, 410].includes(error.status) ? new Error(t("traceGone")) : error;
    });
}
