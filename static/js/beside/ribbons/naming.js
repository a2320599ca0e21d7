/** What words say to those who do not see their ribbons. */

import { t } from "../../text/i18n.js";
import { linesAt } from "./lines.js";

/** @typedef {import("./lines.js").Grid} Grid */
/** @typedef {import("./units.js").Sides} Sides */

const SAID = 3; // partners
const LEAST = 0.01;

/** @param {Sides} sides @param {Grid[]} grids @returns {{keys: string[], queries: string[]}} a label for each unit */
export function named(sides, grids) {
  /** @param {"keys" | "queries"} side */
  const labels = (side) =>
    sides[side].units.map(({ text }, index) => {
      const others = side === "queries" ? sides.keys.units : sides.queries.units;
      const partners = linesAt(grids, side, [index], LEAST)
        .reverse()
        .slice(0, SAID)
        .map((line) => `${others[side === "queries" ? line.key : line.query].text} ${Math.round(100 * line.weight)}%`);
      return partners.length ? t(`ribbon_${side}`, { word: text, partners: partners.join(", ") }) : text;
    });
  return { keys: labels("keys"), queries: labels("queries") };
}
