/** The texts of an answer as words; pointing at one lights up what the chosen head connects it with. */

import { madeFrom } from "../map/made.js";
import { language } from "../preferences.js";
import { byId, element, onceAFrame, setText } from "../views/dom.js";
import { t, textName } from "./i18n.js";
import { textsOf } from "./texts.js";
import { isMade, mass } from "./words.js";

/** @typedef {import("../types.js").HeadMap} HeadMap */
/** @typedef {import("../types.js").Place} Place */
/** @typedef {import("../source/session.js").Session} Session */
/** @typedef {import("./texts.js").Mark} Mark */
/** @typedef {import("./texts.js").Shown} Shown */
/** @typedef {import("./texts.js").Text} Text */

const FAINT = 0.02; // less attention than this is not lit: a tint that nobody sees

export class Sentences {
  /** @param {{hover: (place: Place | null) => void, choose: (place: Place) => void, asKey: () => boolean}} on */
  constructor(on) {
    this.on = on;
    this.root = byId("texts");
    this.ending = byId("ending"); // how the output ended: a line below the output
    /** @type {Text[]} */
    this.texts = [];
    /** @type {HeadMap | null} */
    this.map = null;
    /** @type {unknown[]} what the words were last built from */
    this.built = [];
    this.bringInSoon = onceAFrame(() => this.bringIn());
    this.made = Infinity; // the first query that the model wrote, after its prompt
    this.root.addEventListener("keydown", (event) => this.key(event));
    this.root.addEventListener("pointerleave", () => this.on.hover(null));
    this.root.addEventListener("focusout", () => this.on.hover(null));
  }

  /**
   * The words of a session, their tokens as the site's queries and keys; none of a text too long to stand here.
   *
   * @param {Session} session
   * @param {string} siteName
   * @param {boolean} [far]
   */
  build(session, siteName, far = false) {
    const site = session.site(siteName);
    this.map = null;
    const cross = site.queries !== site.keys && site.keys !== "prefix";
    setText(byId("hover-hint"), t(cross ? "hoverHintCross" : this.on.asKey() ? "hoverHintKeys" : "hoverHint"));
    const built = [session, siteName, far, language()];
    if (built.every((part, index) => part === this.built[index])) return; // another head: the words stay
    this.built = built;
    this.made = madeFrom(session.queries(siteName)) ?? Infinity;
    this.texts = far ? [] : textsOf(session, siteName);
    const { task } = session.summary;
    const seen = new Map(); // several texts may have one name: sentences, labels
    this.root.before(this.ending); // where the output is none of these texts it stands above them
    this.root.replaceChildren(
      ...this.texts.flatMap((text) => {
        const count = (seen.get(text.name) ?? 0) + 1;
        seen.set(text.name, count);
        const title = textName(text.name, task) + (count > 1 ? ` ${count}` : "");
        const ending = text.name === "target" ? [this.ending] : [];
        return [element("h2", { class: "caption" }, title), this.print(text, title, count), ...ending];
      }),
    );
    const linked = this.words().some(({ asQuery, asKey }) => asQuery.length + asKey.length);
    byId("hover-line").hidden = !linked;
  }

  /** @returns {Shown[]} of all texts */
  words() {
    return this.texts.flatMap(({ words }) => words);
  }

  /** @param {Text} text @param {string} title @param {number} count of the texts of this name so far */
  print({ name, words, marks }, title, count) {
    const root = element("p", {
      class: "sentence",
      id: `${name}-sentence${count > 1 ? `-${count}` : ""}`,
      dir: "auto",
      role: "listbox",
      "aria-orientation": "horizontal",
      "aria-label": t("sentenceLabel", { name: title }),
    });
    /** @type {Mark | null} */
    let mark = null;
    /** @type {HTMLElement} */
    let holder = root;
    const close = () => mark?.label && holder.append(element("span", { class: "mark-label", dir: "auto" }, mark.label));
    words.forEach((word, index) => {
      const around = marks.find(({ start, stop }) => word.start < stop && word.stop > start && !word.special) ?? null;
      const same = around !== null && around === mark;
      if (!same) close();
      (same ? holder : root).append(word.picture ? " " : word.before);
      if (!same) holder = around ? root.appendChild(element("span", { class: "mark", title: around.label })) : root;
      mark = around;
      word.node = element("span", {
        class: `word${word.special ? " special" : ""}${isMade(word.asQuery, this.made) ? " made-word" : ""}`,
        // Words flow in their text's direction; a special token is no part of it and reorders none of it.
        ...(word.special ? { dir: "ltr" } : {}),
        role: "option",
        "aria-selected": "false",
        tabIndex: index === 0 ? 0 : -1,
        textContent: word.picture ? t("patchesWord", { n: word.tokens.length }) : word.text,
        on: {
          pointerenter: () => this.hover(word),
          focus: () => this.hover(word),
          click: () => this.choose(word),
        },
      });
      holder.append(word.node);
    });
    close();
    return root;
  }

  /** @param {HeadMap} map of the chosen head */
  use(map) {
    this.map = map;
  }

  /**
   * Lights what a place means in words: its query's word and what that word looks at, or who looks at its key.
   *
   * @param {Place} place
   */
  show({ rows, cols }) {
    const { map } = this;
    if (!map) return;
    const words = this.words();
    const query = rows && words.find((word) => word.asQuery.includes(rows[0]));
    // A cell stands for its word; a patch for itself, not for its whole picture.
    const asking = rows && (query && !query.picture ? query.asQuery : rows);
    this.light(words, (word) =>
      asking ? mass(map, asking, word.asKey) : mass(map, word.asQuery, cols ?? []),
    );
    this.mark(words, [query, cols && words.find((word) => word.asKey.includes(cols[0]))]);
    this.bringInSoon();
  }

  /** @param {Shown} word */
  hover(word) {
    const place = this.map && this.placeOf(word);
    if (place) this.on.hover(place);
    else if (this.map) this.mark(this.words(), [word]);
  }

  /** @param {Shown} word */
  choose(word) {
    const place = this.placeOf(word);
    if (place) this.on.choose(place);
  }

  /** A word asks where it can, unless the reader has turned that round. @param {Shown} word @returns {Place | null} */
  placeOf({ asQuery, asKey }) {
    if (asQuery.length && !(asKey.length && this.on.asKey())) return { rows: asQuery };
    return asKey.length ? { cols: asKey } : null;
  }

  /** @param {Shown[]} words @param {(word: Shown) => number} weigh -1..1: what speaks against is lit in another colour */
  light(words, weigh) {
    for (const word of words) {
      const { node } = word;
      if (!node) continue;
      const share = weigh(word);
      const weight = Math.abs(share);
      node.classList.toggle("against", share < 0);
      const lit = weight >= FAINT;
      node.classList.toggle("lit", lit);
      node.style.setProperty("--light", lit ? weight.toFixed(3) : "0");
      node.title = lit ? `${(100 * weight).toFixed(1)}%` : "";
    }
  }

  /** What lights up in a text too long to stand here whole is scrolled to, but under the pointer; there its edges say so. */
  bringIn() {
    /** @type {NodeListOf<HTMLElement>} */
    const sentences = this.root.querySelectorAll(".sentence");
    for (const sentence of sentences) {
      const high = sentence.clientHeight;
      const long = sentence.scrollHeight > high + 1;
      const lit = long ? /** @type {HTMLElement[]} */ ([...sentence.querySelectorAll(".word.lit")]) : [];
      const held = sentence.matches(":hover, :focus-within");
      const [first] = lit.toSorted((a, b) => light(b) - light(a));
      if (first && !held) {
        const { offsetTop: top, offsetHeight: tall } = first;
        if (top < sentence.scrollTop || top + tall > sentence.scrollTop + high)
          sentence.scrollTop = top + tall / 2 - high / 2;
      }
      const from = sentence.scrollTop;
      sentence.classList.toggle("lit-above", lit.some(({ offsetTop, offsetHeight: tall }) => offsetTop + tall / 2 < from));
      sentence.classList.toggle("lit-below", lit.some(({ offsetTop, offsetHeight: tall }) => offsetTop + tall / 2 > from + high));
    }
  }

  /** @param {Shown[]} words @param {(Shown | undefined)[]} chosen */
  mark(words, chosen) {
    for (const word of words) {
      const marked = chosen.includes(word);
      word.node?.classList.toggle("marked", marked);
      word.node?.setAttribute("aria-selected", String(marked));
    }
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const words = this.texts.find((text) => text.words.some(({ node }) => node === event.target))?.words ?? [];
    const index = words.findIndex((word) => word.node === event.target);
    const { node } = words[index] ?? {};
    if (event.shiftKey || !node) return;
    // Arrows move as the eye does: in a text from right to left, left is onwards.
    const right = getComputedStyle(node.parentElement ?? node).direction === "rtl" ? -1 : 1;
    /** @type {Record<string, number>} */
    const moves = { ArrowLeft: index - right, ArrowRight: index + right, Home: 0, End: words.length - 1 };
    const to = moves[event.key];
    if (to === undefined && event.key !== "Enter") return;
    event.preventDefault();
    if (to === undefined) return this.choose(words[index]);
    const next = words[to]?.node;
    if (!next) return;
    node.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  }
}

/** How much a word is lit. @param {HTMLElement} node */
const light = (node) => Number(node.style.getPropertyValue("--light"));
