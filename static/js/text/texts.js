/** The texts of an answer, as words that know which queries and keys of a site they are. No document here. */

import { turnsOf } from "../input/draft.js";
import { shareOf, wordsOf, wordsOfLabels } from "./words.js";

/** @typedef {import("../types.js").Axis} Axis */
/** @typedef {import("../types.js").Entry} Entry */
/** @typedef {import("../types.js").Prediction} Prediction */
/** @typedef {import("../types.js").Written} Written */
/** @typedef {import("../source/session.js").Session} Session */
/** @typedef {import("./words.js").Word} Word */
/**
 * @typedef {Word & {asQuery: number[], asKey: number[], picture?: boolean, node?: HTMLElement}} Shown
 *   a word with its tokens as indices of the site's queries and of its keys; `picture`: it stands for all patches of one
 * @typedef {{start: number, stop: number, label: string}} Mark a stretch of a text, in code points
 * @typedef {{name: string, words: Shown[], marks: Mark[]}} Text `name` is that of an input or output, for its title
 */

const SHARE = 0.5; // of the tokens must be found in a text for it to be theirs: the rest may be normalised away
const READ = new Set(["text", "mixed"]); // kinds of axes that have words

/** An answer that is a text, or out of one; empty where it is a list or numbers. @param {Prediction} prediction @returns {Written} */
export const writtenOf = (prediction) =>
  prediction !== null && typeof prediction === "object" && !Array.isArray(prediction) ? prediction : {};

/** The entries of an answer that is one list of them. @param {Prediction} prediction @returns {Entry[]} */
const entriesOf = (prediction) =>
  Array.isArray(prediction)
    ? prediction.flatMap((entry) => (typeof entry === "object" && !Array.isArray(entry) ? [entry] : []))
    : [];

/**
 * The texts that an axis may count its characters in, each with its name: what the tokens of a segment say decides.
 *
 * @param {Session} session
 * @param {string} axis its name
 * @returns {[string, string][]}
 */
function candidates(session, axis) {
  const { text = "", question = "", context = "", source = "", sentences = "", labels = "" } = session.draft.fields;
  const { text: output = "", generated_text: whole = "" } = writtenOf(session.summary.prediction);
  if (axis === "target" || axis === "prefix") return [["target", output]];
  if (axis === "text") return [["text", sentenceOf(session)]];
  /** @type {[string, string][]} */
  const all = [
    ["source", text],
    ["question", question],
    ["context", context],
    ["sentence", source],
    ["target", output],
    ...turnsOf(session.draft.parameters.turns).map(({ content }) => /** @type {[string, string]} */ (["source", content])),
    ...sentences.split("\n").map((line) => /** @type {[string, string]} */ (["sentences", line.trim()])),
    ...labels.split("\n").map((line) => /** @type {[string, string]} */ (["labels", line.trim()])),
    ["whole", whole],
    ["whole", text + output],
  ];
  return all.filter(([, candidate]) => candidate !== "");
}

const TEMPLATE = "This is a photo of {}."; // as the service has it where the reader gives none

/** The sentence that a picture was compared with: the best label's. @param {Session} session */
function sentenceOf({ draft, summary }) {
  const template = String(draft.parameters.hypothesis_template ?? TEMPLATE);
  return template.replace("{}", entriesOf(summary.prediction)[0]?.label ?? "");
}

/**
 * The text that tokens are of, with its name; null where none is.
 *
 * @param {Session} session
 * @param {string} name of the axis
 * @param {number[]} tokens
 * @returns {[string, string | null]}
 */
function reading(session, name, tokens) {
  const axis = session.summary.axes[name];
  const { tokens: written = [], text: output = "" } = writtenOf(session.summary.prediction);
  const told = axis.labels.length - written.length;
  const apart = name === "tokens" && axis.segments !== undefined && written.length > 0;
  if (apart && tokens[0] >= told) return ["target", output]; // whatever else there is that reads alike
  const given = candidates(session, name).filter(([title]) => !apart || title !== "target");
  const shares = given.map((each) => /** @type {const} */ ([shareOf(each[1], axis, tokens), each]));
  const best = Math.max(...shares.map(([share]) => share));
  return (best >= SHARE && shares.find(([share]) => share === best)?.[1]) || [name, null];
}

/** Runs of an axis's tokens that belong together: segments, and pictures inside a text. @param {Axis} axis */
function runs(axis) {
  /** @type {{segment: number, tokens: number[]}[]} */
  const list = [];
  axis.labels.forEach((_, token) => {
    const segment = axis.segments?.[token] ?? 0;
    const last = list[list.length - 1];
    if (last && last.segment === segment) last.tokens.push(token);
    else list.push({ segment, tokens: [token] });
  });
  return list;
}

/** A word that is none: a picture, or a mark. @param {Partial<Word> & {picture?: boolean}} parts @returns {Word & {picture?: boolean}} */
const sign = (parts) => ({ text: "", before: " ", tokens: [], special: true, start: -1, stop: -1, ...parts });

/** A text's words, with pictures inside it as one word each. @param {Axis} axis @param {number[]} tokens @param {string | null} text */
function wordsAround(axis, tokens, text) {
  const said = tokens.filter((token) => !axis.boxes?.[token]);
  /** @type {(Word & {picture?: boolean})[]} */
  const words = text === null ? wordsOfLabels(axis, said) : wordsOf(text, axis, said);
  /** @type {typeof words} */
  const pictures = [];
  for (const token of tokens) {
    if (!axis.boxes?.[token]) continue;
    const last = pictures[pictures.length - 1];
    if (last && last.tokens[last.tokens.length - 1] === token - 1) last.tokens.push(token);
    else pictures.push(sign({ tokens: [token], picture: true }));
  }
  for (const picture of pictures) {
    const next = words.findIndex(({ tokens: [first] }) => first > picture.tokens[0]);
    words.splice(next < 0 ? words.length : next, 0, picture);
  }
  return words;
}

/** The stretches of a text that the answer names: entities, or the answer itself. @param {Prediction} prediction @param {string} name @returns {Mark[]} */
function marksOf(prediction, name) {
  const { start, end } = writtenOf(prediction);
  if (name === "context" && start !== undefined && end !== undefined && end > start)
    return [{ start, stop: end, label: "" }];
  if (name !== "source") return [];
  return entriesOf(prediction).flatMap((entity) =>
    entity.start === undefined || entity.end === undefined
      ? []
      : [{ start: entity.start, stop: entity.end, label: entity.entity_group ?? entity.entity ?? "" }],
  );
}

/**
 * Every text of an answer, what was given over what came of it.
 *
 * @param {Session} session
 * @param {string} siteName
 * @returns {Text[]}
 */
export function textsOf(session, siteName) {
  const site = session.site(siteName);
  const { axes, prediction } = session.summary;
  /** @type {Text[]} */
  const texts = [];
  for (const [name, axis] of Object.entries(axes)) {
    if (!READ.has(axis.kind) || (name === "prefix" && axes.target)) continue;
    const prefix = name === "target" && site.keys === "prefix";
    for (const { tokens } of runs(axis)) {
      const said = tokens.filter((token) => !axis.boxes?.[token]);
      const [title, text] = reading(session, name, said);
      /** @type {Shown[]} */
      const words = wordsAround(axis, tokens, text).map((word) => ({
        ...word,
        asQuery: site.queries === name ? word.tokens : [],
        // What the decoder had read at a place is the token before it.
        asKey: site.keys === name ? word.tokens : prefix ? word.tokens.map((token) => token + 1) : [],
      }));
      if (prefix) begin(words, axes.prefix);
      if (words.length) texts.push({ name: title, words, marks: marksOf(prediction, title) });
    }
  }
  return texts.sort((a, b) => Number(a.name === "target") - Number(b.name === "target"));
}

/**
 * Gives a text the start mark that its decoder had read first; the last token it never read again.
 *
 * @param {Shown[]} words
 * @param {Axis} prefix
 */
function begin(words, prefix) {
  for (const word of words) word.asKey = word.asKey.filter((token) => token < prefix.labels.length);
  if (words[0]) words[0].before ||= " ";
  words.unshift({ ...sign({ text: prefix.labels[0], before: "" }), asQuery: [], asKey: [0] });
}
