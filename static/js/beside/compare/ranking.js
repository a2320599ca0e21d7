/** Pairs of heads by how far apart they are; each opens itself. */

import { inPlace } from "../../map/grid/heads.js";
import { t } from "../../text/i18n.js";
import { element } from "../../views/dom.js";
import { divergence } from "./numbers.js";

/** @typedef {import("../../source/session.js").Session} Session */
/** @typedef {import("../../types.js").Head} Head */
/** @typedef {{layer: number, head: number, other: Head, divergence: number}} Pair */

const LISTED = 8;
const MOST_CELLS = 1 << 23; // of all heads of a site, which are compared in the page within a second

/** A divergence in nats. @param {number} value */
export const nats = (value) => value.toFixed(3);

/**
 * A head beside every other of its site; null where these are too many numbers for a page.
 *
 * @param {Session} session
 * @param {string} name of the site
 * @param {Head} head
 * @returns {Promise<Pair[] | null>}
 */
export async function rankedHere(session, name, head) {
  const site = session.site(name);
  if (site.layers * site.heads * site.shape[0] * site.shape[1] > MOST_CELLS) return null;
  const mine = await session.map(name, head.layer, head.head);
  /** @type {Pair[]} */
  const pairs = [];
  for (const other of inPlace(site)) {
    if (other.layer === head.layer && other.head === head.head) continue;
    pairs.push({ ...head, other, divergence: divergence(mine, await session.map(name, other.layer, other.head)) });
  }
  return pairs;
}

export class Ranking {
  /** @param {(pair: Pair) => void} choose */
  constructor(choose) {
    this.choose = choose;
    /** @type {Pair[]} */
    this.pairs = [];
    this.here = true;
    this.alike = false;
    this.title = element("span", { class: "caption" });
    this.turn = element("button", { type: "button", class: "plain small", on: { click: () => this.reverse() } });
    this.list = element("ol", { class: "compare-pairs", id: "compare-pairs" });
    this.root = element("div", { class: "compare-ranking", hidden: true }, this.title, this.turn, this.list);
  }

  reverse() {
    this.alike = !this.alike;
    this.draw();
  }

  /** @param {Pair[] | null} pairs @param {boolean} here of one answer @param {Head} [other] on show */
  show(pairs, here, other) {
    this.pairs = pairs ?? [];
    this.here = here;
    this.other = other;
    this.root.hidden = !this.pairs.length;
    this.draw();
  }

  draw() {
    const sign = this.alike ? 1 : -1;
    const order = [...this.pairs].sort((a, b) => sign * (a.divergence - b.divergence)).slice(0, LISTED);
    this.title.textContent = t("compareRanked");
    this.turn.textContent = t(this.alike ? "compareLeast" : "compareMost");
    this.turn.setAttribute("aria-pressed", String(this.alike));
    this.list.replaceChildren(
      ...order.map((pair) => {
        const { layer, head } = pair.other;
        const chosen = this.other?.layer === layer && this.other.head === head;
        const button = element("button", {
          type: "button",
          class: "plain small tabular",
          "aria-current": String(chosen),
          textContent: t("comparePair", { layer, head, value: nats(pair.divergence) }),
          on: { click: () => this.choose(pair) },
        });
        return element("li", {}, button);
      }),
    );
  }
}
