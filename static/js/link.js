/**
 * The page's state as a link.
 *
 * It stands in the fragment, behind `#`, so that what people type reaches no server's log through a shared link, and no
 * limit on the length of request lines applies. A query string of the same form is read too. Files stand in no link: where
 * the input is one, the link names the trace instead.
 */

import { VIEWS } from "./choices.js";
import { PALETTES } from "./map/colour.js";

/** @typedef {import("./types.js").State} State */

/** @type {State} */
export const DEFAULTS = Object.freeze({
  model: "",
  text: "",
  question: "",
  context: "",
  source: "",
  sentences: "",
  labels: "",
  parameters: "",
  trace: "",
  site: "",
  layer: null,
  head: null,
  over: "",
  point: "",
  scale: "",
  palette: "ink",
  sort: "",
  row: null,
  col: null,
  rows: null,
  cols: null,
  how: "",
  view: "",
  measure: "",
  objective: "",
  rail: "",
  kind: "",
});

const NAMES = /** @type {(keyof State)[]} */ (Object.keys(DEFAULTS));
const NUMBERS = new Set(["layer", "head", "row", "col"]);
const RANGES = new Set(["rows", "cols"]);
/** @type {Record<string, string[]>} */
const CHOICES = {
  over: ["mean", "max"],
  point: ["keys"],
  how: ["mean"],
  view: VIEWS.slice(1),
  rail: ["effects"],
  scale: ["linear", "log"],
  palette: PALETTES,
};

/**
 * @param {Partial<State>} state
 * @returns {string} name=value&..., what has its default left out
 */
export function encodeState(state) {
  const parameters = new URLSearchParams();
  for (const name of NAMES) {
    const value = state[name] ?? null;
    if (value === null || value === DEFAULTS[name]) continue;
    parameters.set(name, Array.isArray(value) ? value.join(":") : String(value));
  }
  return parameters.toString();
}

/**
 * @param {string} link a fragment or query string, with or without its first character
 * @returns {State} unreadable values fall back to their defaults
 */
export function decodeState(link) {
  const parameters = new URLSearchParams(link.replace(/^[#?]/, ""));
  /** @type {Record<string, unknown>} */
  const state = { ...DEFAULTS };
  for (const name of NAMES) {
    const value = parameters.get(name);
    if (value === null) continue;
    if (NUMBERS.has(name)) {
      if (/^\d{1,9}$/.test(value)) state[name] = Number(value);
    } else if (RANGES.has(name)) {
      const range = value.split(":").map(Number);
      if (range.length === 2 && range.every(Number.isInteger) && range[0] >= 0 && range[0] < range[1])
        state[name] = range;
    } else if (!CHOICES[name] || CHOICES[name].includes(value)) {
      state[name] = value;
    }
  }
  return /** @type {State} */ (state); // every value was read as its name says
}

/** The state of an address; the fragment wins over the query. @param {{hash: string, search: string}} address */
export function stateOfLocation({ hash, search }) {
  return decodeState(hash.length > 1 ? hash : search);
}

const ONE_STEP = 800; // milliseconds: a run of key presses is one step of the history

/** The address bar and the browser's history. */
export class Address {
  constructor() {
    this.pushed = -Infinity; // when the history last grew
  }

  /** @param {State} state @param {import("./types.js").History} history */
  write(state, history) {
    const link = `#${encodeState(state)}`;
    if (history === "none" || link === window.location.hash) return;
    const soon = performance.now() - this.pushed < ONE_STEP;
    if (history === "push" || (history === "step" && !soon)) window.history.pushState(null, "", link);
    else window.history.replaceState(null, "", link);
    if (history !== "replace") this.pushed = performance.now();
  }
}
