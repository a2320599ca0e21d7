/** What stands on the two sides of the ribbons: words, patches of a picture, stretches of a recording. No document here. */

import { madeFrom } from "../../map/made.js";
import { textsOf } from "../../text/texts.js";
import { isMade, tokenText } from "../../text/words.js";

/** @typedef {import("../../types.js").Axis} Axis */
/** @typedef {import("../../types.js").Box} Box */
/** @typedef {import("../../source/session.js").Session} Session */
/**
 * @typedef {object} Unit
 * @property {string} text
 * @property {number[]} tokens as queries or as keys, whichever its side is
 * @property {boolean} special not a part of the text
 * @property {boolean} apart whether a blank stands before it
 * @property {boolean} [made] what the model wrote, after its prompt
 * @property {Box} [box] of a patch, in pixels of the picture
 * @property {[number, number]} [seconds] of a stretch of a recording
 *
 * @typedef {object} Side
 * @property {"words" | "picture" | "sound"} kind
 * @property {Unit[]} units
 * @property {"ltr" | "rtl"} direction
 * @property {[number, number]} [size] of the picture
 * @property {number} [duration] of the recording, in seconds
 *
 * @typedef {{keys: Side, queries: Side}} Sides
 */

const STRETCHES = 96; // of a recording at most: narrower ones are not told apart
const LONGEST = 24; // characters of a word that is drawn; the rest is an ellipsis
const PADDING = /^\d+,\d+$/; // a patch that holds nothing of the picture
const RIGHT_TO_LEFT = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u;

/** The direction of a text: that of its first letter. @param {string} text @returns {"ltr" | "rtl"} */
export function directionOf(text) {
  const [letter = ""] = /\p{L}/u.exec(text) ?? [];
  return RIGHT_TO_LEFT.test(letter) ? "rtl" : "ltr";
}

/** A text as it is drawn. @param {string} text */
export function shortened(text) {
  const characters = [...text];
  return characters.length > LONGEST ? `${characters.slice(0, LONGEST - 1).join("")}…` : text;
}

/** @param {Session} session @param {string} siteName @returns {Sides} */
export function sidesOf(session, siteName) {
  const site = session.site(siteName);
  const texts = textsOf(session, siteName);
  return {
    keys: sideOf(session.summary.axes[site.keys], texts, "asKey"),
    queries: sideOf(session.summary.axes[site.queries], texts, "asQuery"),
  };
}

/** @param {Axis} axis @param {import("../../text/texts.js").Text[]} texts @param {"asKey" | "asQuery"} as @returns {Side} */
function sideOf(axis, texts, as) {
  if (axis.kind === "image") return pictureOf(axis);
  if (axis.kind === "audio") return soundOf(axis);
  const linked = texts.filter(({ words }) => words.some((word) => word[as].length));
  /** @param {import("../../text/texts.js").Text} text */
  const first = ({ words }) => Math.min(...words.flatMap((word) => word[as]));
  linked.sort((a, b) => first(a) - first(b));
  const made = madeFrom(axis) ?? Infinity;
  const units = linked.flatMap(({ words }) =>
    words.map((word, at) => ({
      text: word.picture ? `▦ ${word.tokens.length}` : word.text,
      tokens: word[as],
      special: word.special,
      apart: at === 0 || word.before !== "",
      ...(isMade(word[as], made) ? { made: true } : {}),
    })),
  );
  const spoken = units.filter(({ special }) => !special).map(({ text }) => text);
  return { kind: "words", units, direction: directionOf(spoken.join(" ")) };
}

/** @param {Axis} axis @returns {Side} its patches, and after them as words what is none */
function pictureOf(axis) {
  const boxes = axis.boxes ?? [];
  /** @type {Unit[]} */
  const units = axis.labels.map((_, token) => ({
    text: tokenText(axis, token),
    tokens: [token],
    special: axis.special[token],
    apart: true,
    ...(boxes[token] ? { box: /** @type {Box} */ (boxes[token]) } : {}),
  }));
  const kind = boxes.some(Boolean) ? "picture" : "words";
  const named = units.filter(({ box, text }) => box || !PADDING.test(text));
  named.sort((a, b) => Number(Boolean(b.box)) - Number(Boolean(a.box)));
  return { kind, units: named, direction: "ltr", size: axis.size ?? [1, 1] };
}

/** @param {Axis} axis @returns {Side} its frames, neighbours together where they are many */
function soundOf(axis) {
  const seconds = axis.seconds ?? [];
  const duration = axis.duration ?? seconds.at(-1)?.[1] ?? 0;
  const frames = [...seconds.keys()].filter((frame) => seconds[frame][0] < duration);
  const per = Math.max(1, Math.ceil(frames.length / STRETCHES));
  /** @type {Unit[]} */
  const units = [];
  for (let at = 0; at < frames.length; at += per) {
    const tokens = frames.slice(at, at + per);
    const [from, to] = [seconds[tokens[0]][0], seconds[tokens[tokens.length - 1]][1]];
    units.push({ text: `${from.toFixed(2)} s`, tokens, special: false, apart: true, seconds: [from, to] });
  }
  return { kind: "sound", units, direction: "ltr", duration };
}

/**
 * The units around one of them, where there are more than can stand side by side.
 *
 * @param {Unit[]} units
 * @param {number} at
 * @param {number} most
 * @returns {[number, number]} half open
 */
export function near(units, at, most) {
  const from = Math.max(0, Math.min(at - Math.floor(most / 2), units.length - most));
  return [from, Math.min(from + most, units.length)];
}
