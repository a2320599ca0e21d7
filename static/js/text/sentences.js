/** The texts of an answer as words; pointing at one lights up what the chosen head connects it with. */

import { byId, element } from "../views/dom.js";
import { t, textName } from "./i18n.js";
import { textsOf } from "./texts.js";
import { mass } from "./words.js";

/** @typedef {import("../types.js").HeadMap} HeadMap */
/** @typedef {import("../types.js").Place} Place */
/** @typedef {import("./texts.js").Shown} Shown */
/** @typedef {import("./texts.js").Text} Text */

const FAINT = 0.02; // less attention than this is not lit: a tint that nobody sees

export class Sentences {
  /** @param {{hover: (place: Place | null) => void, choose: (place: Place) => void, asKey: () => boolean}} on */
  constructor(on) {
    this.on = on;
    this.root = byId("texts");
    /** @type {Text[]} */
    this.texts = [];
    this.root.addEventListener("keydown", (event) => this.key(event));
    this.root.addEventListener("pointerleave", () => this.on.hover(null));
    this.root.addEventListener("focusout", () => this.on.hover(null));
  }

  /** The words of a session, their tokens as the site's queries and keys; none of a text too long to stand here. */
  build(session, siteName, far = false) {
    const site = session.site(siteName);
    this.map = null;
    this.texts = far ? [] : textsOf(session, siteName);
    const { task } = session.summary;
    const seen = new Map(); // several texts may have one name: sentences, labels
    this.root.replaceChildren(
      ...this.texts.flatMap((text) => {
        const count = (seen.get(text.name) ?? 0) + 1;
        seen.set(text.name, count);
        const title = textName(text.name, task) + (count > 1 ? ` ${count}` : "");
        return [element("h2", { class: "caption" }, title), this.print(text, title, count)];
      }),
    );
    const linked = this.words().some(({ asQuery, asKey }) => asQuery.length + asKey.length);
    byId("hover-line").hidden = !linked;
    const cross = site.queries !== site.keys && site.keys !== "prefix";
    byId("hover-hint").textContent = t(cross ? "hoverHintCross" : this.on.asKey() ? "hoverHintKeys" : "hoverHint");
  }

  /** @returns {Shown[]} of all texts */
  words() {
    return this.texts.flatMap(({ words }) => words);
  }

  /** @param {Text} text @param {string} title */
  print({ name, words, marks }, title, count) {
    const root = element("p", {
      class: "sentence",
      id: `${name}-sentence${count > 1 ? `-${count}` : ""}`,
      role: "listbox",
      "aria-orientation": "horizontal",
      "aria-label": t("sentenceLabel", { name: title }),
    });
    let mark = null;
    let holder = root;
    words.forEach((word, index) => {
      const own = marks.find(({ start, stop }) => word.start < stop && word.stop > start && !word.special) ?? null;
      const same = own !== null && own === mark;
      if (!same && mark?.label) holder.append(element("span", { class: "mark-label" }, mark.label));
      (same ? holder : root).append(word.picture ? " " : word.before);
      if (!same) holder = own ? root.appendChild(element("span", { class: "mark", title: own.label })) : root;
      mark = own;
      word.node = element("span", {
        class: word.special ? "word special" : "word",
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
    if (mark?.label) holder.append(element("span", { class: "mark-label" }, mark.label));
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
    if (!this.map) return;
    const words = this.words();
    const query = rows && words.find((word) => word.asQuery.includes(rows[0]));
    // A cell stands for its word; a patch for itself, not for its whole picture.
    const asking = rows && (query && !query.picture ? query.asQuery : rows);
    this.light(words, (word) =>
      asking ? mass(this.map, asking, word.asKey) : mass(this.map, word.asQuery, cols ?? []),
    );
    this.mark(words, [query, cols && words.find((word) => word.asKey.includes(cols[0]))]);
  }

  hover(word) {
    const place = this.map && this.placeOf(word);
    if (place) this.on.hover(place);
    else if (this.map) this.mark(this.words(), [word]);
  }

  choose(word) {
    const place = this.placeOf(word);
    if (place) this.on.choose(place);
  }

  /** A word asks where it can, unless the reader has turned that round. */
  placeOf({ asQuery, asKey }) {
    if (asQuery.length && !(asKey.length && this.on.asKey())) return { rows: asQuery };
    return asKey.length ? { cols: asKey } : null;
  }

  /** @param {Shown[]} words @param {(word: Shown) => number} weigh 0..1 */
  light(words, weigh) {
    for (const word of words) {
      const weight = weigh(word);
      const lit = weight >= FAINT;
      word.node.classList.toggle("lit", lit);
      word.node.style.setProperty("--light", lit ? weight.toFixed(3) : "0");
      word.node.title = lit ? `${(100 * weight).toFixed(1)}%` : "";
    }
  }

  mark(words, chosen) {
    for (const word of words) {
      const marked = chosen.includes(word);
      word.node.classList.toggle("marked", marked);
      word.node.setAttribute("aria-selected", String(marked));
    }
  }

  key(event) {
    const words = this.texts.find((text) => text.words.some(({ node }) => node === event.target))?.words ?? [];
    const index = words.findIndex((word) => word.node === event.target);
    const to = { ArrowLeft: index - 1, ArrowRight: index + 1, Home: 0, End: words.length - 1 }[event.key];
    if (event.shiftKey || (to === undefined && event.key !== "Enter") || index < 0) return;
    event.preventDefault();
    if (event.key === "Enter") return this.choose(words[index]);
    const next = words[to];
    if (!next) return;
    words[index].node.tabIndex = -1;
    next.node.tabIndex = 0;
    next.node.focus();
  }
}
