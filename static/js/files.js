/** Traces out of files: one that the page carries, and those that a reader drops on it. No service is asked. */

import { fitting } from "./beginning.js";
import { carriedPlace } from "./exports/carried.js";
import { stateOf } from "./input/draft.js";
import { listenForTraces } from "./input/trace_drop.js";
import { decodeState, stateHere } from "./link.js";
import { embedded } from "./source/embedded.js";
import { Session } from "./source/session.js";
import { byId } from "./views/dom.js";

/** @typedef {import("./explorer.js").Explorer} Explorer */
/** @typedef {import("./input/form.js").Form} Form */

const HASH = /^[0-9a-f]{40,}$/; // of a checkpoint, where nobody named the model

/** @param {Promise<Blob> | Blob} file @returns {(signal: AbortSignal) => Promise<Session>} what opens a trace file */
const opening = (file) => async (signal) => Session.ofFile(await file, signal);

export class Files {
  /** @param {Explorer} explorer @param {Form} form @param {() => void} shown another session is on show */
  constructor(explorer, form, shown) {
    this.explorer = explorer;
    this.form = form;
    this.shown = shown;
    this.carried = embedded();
  }

  listen() {
    listenForTraces((file) => this.open(file));
  }

  /** Shows the trace that the page carries, at the link's place. */
  async begin() {
    const { carried } = this;
    if (!carried) return;
    document.documentElement.dataset.source = "file";
    const kept = window.location.hash.length > 1 ? "" : carriedPlace(); // where whoever sent the page was
    await this.explorer.open(opening(carried), kept ? decodeState(kept) : stateHere(), undefined, "replace");
    const model = this.explorer.session?.summary.model ?? "";
    byId("model-name").textContent = HASH.test(model) ? model.slice(0, 12) : model;
    this.shown();
  }

  /** Another place in the trace that the page carries. */
  async look() {
    const { session } = this.explorer;
    if (!session) return;
    this.explorer.record(fitting(stateHere(), session), "none");
    await this.explorer.showMap("none");
  }

  /** A file takes the place of what was on show, and what it was asked stands in the form. @param {File} file */
  async open(file) {
    const { explorer, form } = this;
    const before = explorer.session;
    const fresh = { site: "", layer: null, head: null, row: null, col: null, rows: null, cols: null };
    await explorer.open(opening(file), fresh, undefined, "none");
    const { session } = explorer;
    if (!session || session === before) return;
    if (!this.carried) {
      const { draft } = session;
      if (form.models.find(draft.model)) byId("model").value = draft.model;
      form.refresh();
      form.inputs.fill(draft);
      explorer.record(stateOf(draft), "push");
    }
    this.shown();
  }
}
