/**
 * The page's state as a link.
 *
 * It stands in the fragment, behind `#`, so that what people type reaches no server's log through a shared link, and no
 * limit on the length of request lines applies. A query string of the same form is read too. Files stand in no link: where
 * the input is one, the link names the trace instead. So it does where a text would make the link longer than mail and chat
 * carry; the browser's history then keeps the text, so that going back and reloading need no trace.
 */

import { isOther } from "./beside/compare/other.js";
import { FIELDS } from "./input/draft.js";
import { pinsThatFit } from "./pins/codec.js";
import { SORTS, VIEWS } from "./choices.js";
import { editsOf, editsText } from "./input/edits.js";
import { PALETTES } from "./map/colour.js";
import { KINDS } from "./map/grid/kinds.js";

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
  edits: "",
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
  other: "",
  pins: "",
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
  sort: SORTS.slice(1),
  kind: KINDS,
};
/** @type {Record<string, string>} what the controls call a default that no link has to say */
const STANDARD = { over: "head", point: "queries", how: "max", view: VIEWS[0], rail: "maps" };

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
 * @returns {{state: State, unread: string[]}} unreadable values fall back to their defaults; they stand in `unread`, as
 *   name=value
 */
function read(link) {
  const parameters = new URLSearchParams(link.replace(/^[#?]/, ""));
  /** @type {Record<string, unknown>} */
  const state = { ...DEFAULTS };
  /** @type {string[]} */
  const unread = [];
  for (const name of NAMES) {
    const text = parameters.get(name);
    if (text === null) continue;
    const value = valueOf(name, text);
    if (value !== undefined) state[name] = value;
    else if (text !== "" && text !== STANDARD[name]) unread.push(`${name}=${text}`);
  }
  return { state: /** @type {State} */ (state), unread }; // every value was read as its name says
}

/** The value of a name; undefined where it has none that is known. @param {string} name @param {string} text */
function valueOf(name, text) {
  if (NUMBERS.has(name)) return /^\d{1,9}$/.test(text) ? Number(text) : undefined;
  if (RANGES.has(name)) {
    const range = text.split(":").map(Number);
    const whole = range.length === 2 && range.every(Number.isInteger) && range[0] >= 0 && range[0] < range[1];
    return whole ? range : undefined;
  }
  if (name === "other") return isOther(text) ? text : undefined;
  if (name === "edits") return editsText(editsOf(text)) || undefined;
  return !CHOICES[name] || CHOICES[name].includes(text) ? text : undefined;
}

/** @param {string} link a fragment or query string @returns {State} unreadable values fall back to their defaults */
export const decodeState = (link) => read(link).state;

/** What of a link was not understood, as name=value. @param {string} link */
export const unreadOf = (link) => read(link).unread;

/** Whether the page has no address that a link could be made of: it stands in a frame of a notebook, as a text. */
export const isFramed = () => window.location.protocol === "about:";

/** The link in an address; the fragment wins over the query. @param {{hash: string, search: string}} address */
const linkIn = ({ hash, search }) => (hash.length > 1 ? hash : search || (document.documentElement.dataset.place ?? ""));

/** The state of an address. @param {{hash: string, search: string}} address */
export const stateOfLocation = (address) => decodeState(linkIn(address));

/** What of the page's address was not understood. */
export const unreadHere = () => unreadOf(linkIn(window.location));

/** The state of the page's address, with what its history keeps of it. @returns {State} */
export function stateHere() {
  const state = stateOfLocation(window.location);
  /** @type {{trace: string, kept: Partial<State>} | null} */
  const beside = window.history.state;
  return beside?.kept && beside.trace === state.trace ? { ...state, ...beside.kept } : state;
}

export const LONGEST = 1_999; // characters of a link: mail programs and chats cut longer ones

/**
 * The part of a state that a link has room for.
 *
 * @param {State} state
 * @param {string} trace the id of what is on show; empty where there is none
 * @param {number} room characters of the fragment
 * @returns {State} the same where all of it fits; else its texts by the trace, and as many pins as there is room for
 */
export function fittingLink(state, trace, room) {
  /** @param {State} part */
  const fits = (part) => encodeState(part).length <= room;
  if (fits(state) || !trace) return state;
  const texts = Object.fromEntries(FIELDS.map((field) => [field, ""]));
  const short = { ...state, ...texts, trace };
  return { ...short, pins: pinsThatFit(short.pins, (pins) => fits({ ...short, pins })) };
}

const ONE_STEP = 800; // milliseconds: a run of key presses is one step of the history

/** The address bar and the browser's history. */
export class Address {
  constructor() {
    this.pushed = -Infinity; // when the history last grew
  }

  /** @param {State} state @param {import("./types.js").History} history @param {string} [trace] the id of what is on show */
  write(state, history, trace = "") {
    if (history === "none" || isFramed()) return;
    const { origin, pathname } = window.location;
    const short = fittingLink(state, trace, LONGEST - `${origin}${pathname}#`.length);
    const link = `#${encodeState(short)}`;
    const names = /** @type {const} */ ([...FIELDS, "pins"]);
    const kept = short === state ? null : { trace, kept: Object.fromEntries(names.map((name) => [name, state[name]])) };
    if (link === window.location.hash && JSON.stringify(kept) === JSON.stringify(window.history.state)) return;
    const soon = performance.now() - this.pushed < ONE_STEP;
    if (history === "push" || (history === "step" && !soon)) window.history.pushState(kept, "", link);
    else window.history.replaceState(kept, "", link);
    if (history !== "replace") this.pushed = performance.now();
  }
}
