/** The texts of an answer, as words that know which queries and keys of a site they are. No document here. */

import { shareOf, wordsOf, wordsOfLabels } from "./words.js";

/** @typedef {import("../types.js").Axis} Axis */
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

/** What a model wrote, if it writes. */
export const outputOf = (prediction) => (typeof prediction?.text === "string" ? prediction.text : "");

/**
 * The texts that an axis may count its characters in, each with its name: what the tokens of a segment say decides.
 *
 * @param {Session} session
 * @returns {[string, string][]}
 */
function candidates(session, axis) {
  const { text = "", question = "", context = "", source = "", sentences = "", labels = "" } = session.draft.fields;
  const output = outputOf(session.summary.prediction);
  const whole = session.summary.prediction?.generated_text;
  if (axis === "target" || axis === "prefix") return [["target", output]];
  if (axis === "text") return [["text", sentenceOf(session)]];
  /** @type {[string, string][]} */
  const all = [
    ["source", text],
    ["question", question],
    ["context", context],
    ["sentence", source],
    ["target", output],
    .../** @type {[string, string][]} */ (sentences.split("\n").map((line) => ["sentences", line.trim()])),
    .../** @type {[string, string][]} */ (labels.split("\n").map((line) => ["labels", line.trim()])),
    ["whole", typeof whole === "string" ? whole : ""],
    ["whole", text + output],
  ];
  return all.filter(([, candidate]) => candidate !== "");
}

const TEMPLATE = "This is a photo of {}."; // as the service has it where the reader gives none

/** The sentence that a picture was compared with: the best label's. */
function sentenceOf({ draft, summary }) {
  const template = String(draft.parameters.hypothesis_template ?? TEMPLATE);
  return template.replace("{}", summary.prediction?.[0]?.label ?? "");
}

/** The text that tokens are of, with its name; null where none is. @returns {[string, string | null]} */
function reading(session, name, tokens) {
  const axis = session.summary.axes[name];
  const shares = candidates(session, name).map((each) => /** @type {const} */ ([shareOf(each[1], axis, tokens), each]));
  const best = Math.max(...shares.map(([share]) => share));
  return best >= SHARE ? shares.find(([share]) => share === best)[1] : [name, null];
}

/** Runs of an axis's tokens that belong together: segments, and pictures inside a text. */
function runs(axis) {
  /** @type {{segment: number, tokens: number[]}[]} */
  const found = [];
  axis.labels.forEach((_, token) => {
    const segment = axis.segments?.[token] ?? 0;
    const last = found[found.length - 1];
    if (last && last.segment === segment) last.tokens.push(token);
    else found.push({ segment, tokens: [token] });
  });
  return found;
}

/** A text's words, with pictures inside it as one word each. */
function wordsAround(axis, tokens, text) {
  const patches = tokens.filter((token) => axis.boxes?.[token]);
  const words =
    text === null
      ? []
      : wordsOf(
          text,
          axis,
          tokens.filter((token) => !axis.boxes?.[token]),
        );
  if (text === null)
    words.push(
      ...wordsOfLabels(
        axis,
        tokens.filter((token) => !axis.boxes?.[token]),
      ),
    );
  const pictures = [];
  for (const token of patches) {
    const last = pictures[pictures.length - 1];
    if (last && last.tokens[last.tokens.length - 1] === token - 1) last.tokens.push(token);
    else pictures.push({ text: "", before: " ", tokens: [token], special: true, picture: true, start: -1, stop: -1 });
  }
  for (const picture of pictures) {
    const next = words.findIndex(({ tokens }) => tokens[0] > picture.tokens[0]);
    words.splice(next < 0 ? words.length : next, 0, picture);
  }
  return words;
}

/** The stretches of a text that the answer names: entities, or the answer itself. */
function marksOf(prediction, name) {
  if (name === "context" && typeof prediction?.start === "number" && prediction.end > prediction.start)
    return [{ start: prediction.start, stop: prediction.end, label: "" }];
  if (name !== "source" || !Array.isArray(prediction)) return [];
  return prediction
    .filter((entity) => typeof entity?.start === "number" && typeof entity?.end === "number")
    .map(({ start, end, entity_group, entity }) => ({ start, stop: end, label: String(entity_group ?? entity ?? "") }));
}

/**
 * Every text of an answer, the output first.
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
  return texts.sort((a, b) => Number(b.name === "target") - Number(a.name === "target"));
}

/** Gives a text the start mark that its decoder had read first; the last token it never read again. */
function begin(words, prefix) {
  for (const word of words) word.asKey = word.asKey.filter((token) => token < prefix.labels.length);
  if (words[0]) words[0].before ||= " ";
  const start = { text: prefix.labels[0], before: "", tokens: [], special: true, start: -1, stop: -1 };
  words.unshift({ ...start, asQuery: [], asKey: [0] });
}
