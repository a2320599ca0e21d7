/** Both sentences as words; pointing at one lights up the words that the chosen head connects it with. */

import { mostInterested, strongest } from "./cells.js";
import { byId, element } from "./dom.js";
import { t } from "./i18n.js";
import { mass, wordsOf } from "./words.js";

/** @typedef {import("./types.js").HeadMap} HeadMap */
/**
 * @typedef {{text: string, before: string, special: boolean, asQuery: number[], asKey: number[], node?: HTMLElement}} Shown
 *   a word with its tokens, as indices of the site's queries and of its keys
 */

const FAINT = 0.02; // less attention than this is not lit: a tint that nobody sees

export class Sentences {
  /** @param {{hover: (place: any) => void, choose: (cell: any) => void}} on */
  constructor(on) {
    this.on = on;
    /** @type {Record<string, Shown[]>} */
    this.words = {};
    for (const name of ["source", "target"]) {
      const root = byId(`${name}-sentence`);
      root.addEventListener("keydown", (event) => this.key(name, event));
      root.addEventListener("pointerleave", () => this.on.hover(null));
      root.addEventListener("focusout", () => this.on.hover(null));
    }
  }

  /** The words of a session, their tokens as the site's queries and keys. */
  build(session, siteName) {
    const site = session.site(siteName);
    const { axes } = session.summary;
    this.queries = sentenceOf(site.queries);
    this.keys = sentenceOf(site.keys);
    this.words = {};
    for (const name of ["source", "target"]) {
      if (!axes[name]) continue;
      const text = session.textOf(name);
      const words = wordsOf(text, axes[name]).map(({ tokens, ...word }) => ({
        ...word,
        asQuery: this.queries === name ? tokens : [],
        asKey: site.keys === name ? tokens : [],
      }));
      if (this.keys === name && site.keys !== name) shifted(words, wordsOf(text, axes[site.keys]));
      this.words[name] = words;
      this.print(name);
    }
    const cross = this.queries !== this.keys;
    byId("hover-hint").textContent = t(cross ? "hoverHintCross" : "hoverHint");
  }

  print(name) {
    const root = byId(`${name}-sentence`);
    root.replaceChildren();
    root.setAttribute("role", "listbox");
    root.setAttribute("aria-orientation", "horizontal");
    root.setAttribute("aria-label", t("sentenceLabel", { name: t(name) }));
    this.words[name].forEach((word, index) => {
      word.node = element("span", {
        class: word.special ? "word special" : "word",
        role: "option",
        "aria-selected": "false",
        tabIndex: index === 0 ? 0 : -1,
        textContent: word.text,
        on: {
          pointerenter: () => this.hover(name, index),
          focus: () => this.hover(name, index),
          click: () => this.choose(name, index),
        },
      });
      root.append(word.before, word.node);
    });
  }

  /** @param {HeadMap} map of the chosen head */
  use(map, cell) {
    this.map = map;
    this.show(cell);
  }

  /** Lights what a cell means in words: its query's word, and what that word looks at. */
  show({ row, col }) {
    const queries = this.words[this.queries] ?? [];
    const keys = this.words[this.keys] ?? [];
    const word = queries.find(({ asQuery }) => asQuery.includes(row));
    this.light(keys, (key) => (word ? mass(this.map, word.asQuery, key.asKey) : 0));
    this.mark([word, keys.find(({ asKey }) => asKey.includes(col))]);
  }

  hover(name, index) {
    if (!this.map) return;
    const word = this.words[name][index];
    const role = this.roleOf(name, word);
    if (role === "query") {
      this.light(this.words[this.keys], (key) => mass(this.map, word.asQuery, key.asKey));
      this.on.hover({ row: word.asQuery[0] });
    } else if (role === "key") {
      this.light(this.words[this.queries], (query) => mass(this.map, query.asQuery, word.asKey));
      this.on.hover({ col: word.asKey[0] });
    }
    this.mark([word]);
  }

  roleOf(name, word) {
    if (name === this.queries && word.asQuery.length) return "query";
    return word.asKey.length ? "key" : "none";
  }

  choose(name, index) {
    const word = this.words[name][index];
    const role = this.roleOf(name, word);
    if (role === "query") this.on.choose({ row: word.asQuery[0], col: strongest(this.map, word.asQuery[0]) });
    if (role === "key") this.on.choose({ row: mostInterested(this.map, word.asKey[0]), col: word.asKey[0] });
  }

  /** @param {Shown[]} words @param {(word: Shown) => number} weigh 0..1 */
  light(words, weigh) {
    for (const list of Object.values(this.words)) {
      for (const word of list) {
        const weight = list === words ? weigh(word) : 0;
        word.node.classList.toggle("lit", weight >= FAINT);
        word.node.style.setProperty("--light", weight >= FAINT ? weight.toFixed(3) : "0");
        word.node.title = list === words && weight >= FAINT ? `${(100 * weight).toFixed(1)}%` : "";
      }
    }
  }

  mark(words) {
    for (const list of Object.values(this.words)) {
      for (const word of list) {
        const marked = words.includes(word);
        word.node.classList.toggle("marked", marked);
        word.node.setAttribute("aria-selected", String(marked));
      }
    }
  }

  key(name, event) {
    const words = this.words[name];
    const index = words.findIndex((word) => word.node === event.target);
    const to = { ArrowLeft: index - 1, ArrowRight: index + 1, Home: 0, End: words.length - 1 }[event.key];
    if (event.shiftKey || (to === undefined && event.key !== "Enter") || index < 0) return;
    event.preventDefault();
    if (event.key === "Enter") return this.choose(name, index);
    const next = words[to];
    if (!next) return;
    words[index].node.tabIndex = -1;
    next.node.tabIndex = 0;
    next.node.focus();
  }
}

/** The sentence that an axis reads: what the decoder has read so far is the translation too. */
function sentenceOf(axis) {
  return axis === "prefix" ? "target" : axis;
}

/** Gives words the tokens of the same text on an axis that begins with a start mark. */
function shifted(words, others) {
  const plain = others.filter((word) => !word.special);
  words.filter((word) => !word.special).forEach((word, index) => (word.asKey = plain[index]?.tokens ?? []));
  const first = words.find((word) => !word.special);
  if (first) first.before = " ";
  for (const start of others.filter((word) => word.special).reverse()) {
    words.unshift({ text: start.text, before: "", special: true, asQuery: [], asKey: start.tokens });
  }
}
