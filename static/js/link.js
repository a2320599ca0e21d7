/**
 * The page's state as a link.
 *
 * It stands in the fragment, behind `#`, so that what people type reaches no server's log through a shared link, and no
 * limit on the length of request lines applies. A query string of the same form is read too. Files stand in no link: where
 * the input is one, the link names the trace instead.
 */

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
  point: "",
  scale: "",
  palette: "cividis",
  sort: "",
  row: null,
  col: null,
  rows: null,
  cols: null,
  how: "",
});

const NUMBERS = new Set(["layer", "head", "row", "col"]);
const RANGES = new Set(["rows", "cols"]);
const CHOICES = { point: ["keys"], how: ["mean"], scale: ["linear", "log"], palette: PALETTES };

/**
 * @param {Partial<State>} state
 * @returns {string} name=value&..., what has its default left out
 */
export function encodeState(state) {
  const parameters = new URLSearchParams();
  for (const [name, standard] of Object.entries(DEFAULTS)) {
    const value = state[name] ?? null;
    if (value === null || value === standard) continue;
    parameters.set(name, RANGES.has(name) ? value.join(":") : String(value));
  }
  return parameters.toString();
}

/**
 * @param {string} link a fragment or query string, with or without its first character
 * @returns {State} unreadable values fall back to their defaults
 */
export function decodeState(link) {
  const parameters = new URLSearchParams(link.replace(/^[#?]/, ""));
  /** @type {any} */
  const state = { ...DEFAULTS };
  for (const name of Object.keys(DEFAULTS)) {
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
  return state;
}

/** The state of an address; the fragment wins over the query. */
export function stateOfLocation({ hash, search }) {
  return decodeState(hash.length > 1 ? hash : search);
}
