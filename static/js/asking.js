/** How an answer comes to the page: asked for, watched while it is written, or opened once more. */

import { Problem } from "./api/request.js";
import { draftOf, sameDraft, stateOf } from "./input/draft.js";
import { editsOf } from "./input/edits.js";
import { fileOf, taskOf } from "./input/tasks.js";
import { Session } from "./source/session.js";
import { isWritten, watched, Writing } from "./source/writing.js";
import { t } from "./text/i18n.js";
import { Told } from "./text/problems.js";
import { notice } from "./views/controls.js";
import { Watching } from "./views/watching.js";

/** @typedef {import("./explorer.js").Explorer} Explorer */
/** @typedef {import("./types.js").Draft} Draft */
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
  const stop = new AbortController(); // the reader has enough; what is written stays
  const watch = new Watching(explorer.heatmap, () => explorer.styled(), mostOf(draft, model), () => stop.abort());
  return async (signal) => {
    const ended = () => stop.abort();
    signal.addEventListener("abort", ended);
    try {
      const session = await Session.write(draft, model, stop.signal, writing, () => {
        if (!signal.aborted && watch.show(writing)) explorer.makeRoom();
      });
      await watch.finished(signal);
      return session;
    } catch (error) {
      const written = writing.labels.length;
      if (stop.signal.aborted && !signal.aborted && written) return Session.open({ ...draft, written }, model, signal);
      if (watch.drawn && !signal.aborted) explorer.showMap("none"); // what was on show before
      throw error;
    } finally {
      signal.removeEventListener("abort", ended);
      watch.close();
    }
  };
}

/** The most tokens that an output may have; 0 where nobody says. @param {Draft} draft @param {Model | undefined} model */
function mostOf({ parameters }, model) {
  const standard = typeof model?.parameters === "object" ? model.parameters.max_new_tokens?.default : 0;
  return Number(parameters.max_new_tokens ?? standard) || 0;
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
      const given = Object.values(draft.fields).some(Boolean);
      const file = fileOf(taskOf(model)) !== null;
      if (!given || (file && !draft.media)) throw new Told(file ? "traceGone" : "traceGoneText");
      const session = await Session.open(draft, model, signal); // link or browser still have what was asked
      notice(t("traceMadeAgain"));
      return session;
    });
}

/**
 * Asks the model, then shows.
 *
 * @param {Explorer} explorer
 * @param {Draft} input
 * @param {Model | undefined} model
 * @param {Partial<State>} patch
 * @param {History} history
 * @param {() => unknown} [again] asks once more, where the service does not answer now
 */
export async function ask(explorer, input, model, patch, history, again) {
  const draft = patch.edits === undefined ? input : { ...input, edits: editsOf(patch.edits) };
  const wanted = { ...patch, ...stateOf(draft) };
  const make = asked(explorer, draft, model, { ...explorer.state, ...wanted });
  await explorer.open(make, wanted, model, history, again);
  const shown = explorer.session?.draft; // a link to an answer that was stopped says after how many tokens
  if (shown?.written && sameDraft(shown, draft)) explorer.record({ parameters: stateOf(shown).parameters }, "replace");
}

/**
 * Shows what was asked before, by the trace that the state names; what the trace was asked stands in the form then. Where
 * it is gone, what the link says of the place waits for the next answer.
 *
 * @param {Explorer} explorer
 * @param {import("./input/form.js").Form} form
 * @param {State} state
 * @param {Model | undefined} model
 * @param {History} history
 * @param {() => unknown} [again]
 */
export async function reopen(explorer, form, state, model, history, again) {
  const draft = { ...draftOf(state), media: explorer.files.get(state.trace) ?? null };
  const before = explorer.session;
  await explorer.open(reopened(state.trace, draft, model), state, model, history, again);
  const { session } = explorer;
  if (!session) return explorer.record({ ...state, trace: "" }, "none");
  if (session === before || session.draft === draft) return;
  form.inputs.fill(session.draft);
  explorer.record(stateOf(session.draft), "replace");
}
