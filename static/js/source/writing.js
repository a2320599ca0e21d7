/** An answer while the model writes it: its text so far, and the map of one head, a row a token. */

import { written } from "../api/stream.js";
import { optionsOf } from "../input/tasks.js";

/** @typedef {import("../types.js").Axis} Axis */
/** @typedef {import("../types.js").Draft} Draft */
/** @typedef {import("../types.js").HeadMap} HeadMap */
/** @typedef {import("../types.js").Model} Model */
/** @typedef {import("../types.js").Site} Site */
/** @typedef {import("../types.js").State} State */

const SITES = ["cross", "decoder"]; // where what is written looks; the first that a model has says most
const MOST_KEYS = 1024; // of a map that is drawn while it grows

/** Whether a model writes what a draft asks for token by token. @param {Draft} draft @param {Model | undefined} model */
export function isWritten({ parameters }, model) {
  return "max_new_tokens" in optionsOf(model) && (parameters.beam_size ?? 1) === 1 && !parameters.given_answer;
}

/**
 * The map to watch: the one on show, if it is one that grows, else the mean over the last layer's heads.
 *
 * @param {Model | undefined} model
 * @param {State} state
 * @returns {{site: string, layer: number, head: number | "mean"} | null}
 */
export function watched(model, { site, layer, head }) {
  const sites = (model?.sites ?? []).filter(({ name }) => SITES.includes(name));
  const known = sites.find(({ name }) => name === site) ?? SITES.map((name) => sites.find((s) => s.name === name)).find(Boolean);
  if (!known) return null;
  const there = known.name === site && layer !== null && head !== null && layer < known.layers && head < known.heads;
  return there ? { site, layer, head } : { site: known.name, layer: -1, head: "mean" };
}

export class Writing {
  /** @param {ReturnType<typeof watched>} place */
  constructor(place) {
    this.place = place;
    /** @type {string[]} what each token adds to the text */
    this.pieces = [];
    /** @type {string[]} */
    this.labels = [];
    /** @type {number[][]} */
    this.rows = [];
    /** @type {Axis | null} what is looked at, as far as it was there before */
    this.source = null;
  }

  /**
   * Asks a model, and calls `changed` whenever there is more.
   *
   * @param {object} body of a request
   * @param {AbortSignal} signal
   * @param {() => void} changed
   * @returns {Promise<string>} the id of the trace that is kept
   */
  async run(body, signal, changed) {
    const attention = this.place ? [this.place] : [];
    for await (const { name, data } of written({ ...body, attention }, signal)) {
      if (name === "end") return data.trace;
      if (name === "start") this.source = (this.place?.site === "cross" ? data.axes.source : data.axes.tokens) ?? null;
      else if (name === "token") {
        this.pieces.push(data.text);
        this.labels.push(data.label);
        const row = data.attention?.[0]?.row;
        if (row) this.rows.push(/** @type {number[]} */ (row));
        changed();
      }
    }
    return "";
  }

  /** What so many tokens say. @param {number} [count] */
  text(count = this.pieces.length) {
    return this.pieces.slice(0, count).join("");
  }

  /**
   * The map as it was when there were so many tokens.
   *
   * @param {number} [count]
   * @returns {{map: HeadMap, queries: Axis, keys: Axis} | null} null where it is too wide, or there is none yet
   */
  drawn(count = this.rows.length) {
    const rows = this.rows.slice(0, count);
    const cols = rows.at(-1)?.length ?? 0;
    if (!cols || cols > MOST_KEYS) return null;
    const weights = new Float32Array(rows.length * cols);
    rows.forEach((row, index) => weights.set(row, index * cols));
    const before = this.source?.labels ?? [];
    const labels = [...before, ...(this.place?.site === "cross" ? [] : this.labels)].slice(0, cols);
    while (labels.length < cols) labels.unshift(""); // what a decoder begins with, where no axis names it
    const map = { weights, rows: rows.length, cols, causal: false, holes: true };
    return { map, queries: plain(this.labels.slice(0, rows.length)), keys: plain(labels) };
  }
}

/** An axis of labels alone. @param {string[]} labels @returns {Axis} */
function plain(labels) {
  return { kind: "text", labels, ids: [], spans: [], special: labels.map(() => false) };
}
