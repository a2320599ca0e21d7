/** A map that is here whole as a table, for those who do not see it; built once nothing else is to be done. */

import { isLong } from "../map/atlas/levels.js";
import { fourDigits, masked, topK } from "../map/cells.js";
import { t } from "../text/i18n.js";
import { tokenText } from "../text/words.js";
import { byId, element } from "./dom.js";

/** @typedef {import("../features.js").Shown} Shown */

const MOST_CELLS = 600; // a larger table nobody walks through: then each query's strongest keys
const LISTED = 3;
const PATIENCE = 3000; // milliseconds in which a busy page builds it all the same

/** @implements {Pick<import("../features.js").Feature, "use" | "answered" | "translate">} */
export class MapTable {
  constructor() {
    this.table = element("table", { id: "map-table" });
    byId("map").append(element("div", { class: "unseen" }, this.table));
    this.turn = 0;
    /** @type {Shown | null} */
    this.shown = null;
  }

  /** @param {Shown} shown */
  use(shown) {
    const { session, state } = shown;
    this.later(isLong(session.site(state.site)) ? null : shown);
  }

  /** @param {import("../source/session.js").Session | null} session */
  answered(session) {
    if (!session) this.later(null);
  }

  translate() {
    this.later(this.shown);
  }

  /** @param {Shown | null} shown */
  later(shown) {
    this.shown = shown;
    cancelIdleCallback(this.turn);
    this.turn = requestIdleCallback(() => this.build(), { timeout: PATIENCE });
  }

  build() {
    this.table.replaceChildren();
    if (!this.shown) return;
    const { session, state, map } = this.shown;
    const axes = { queries: session.queries(state.site), keys: session.keys(state.site) };
    const whole = map.rows * map.cols <= MOST_CELLS;
    this.table.append(
      element("caption", {}, t(whole ? "mapTable" : "mapTableStrongest")),
      ...(whole ? wholeOf(map, axes) : strongestOf(map, axes)),
    );
  }
}

/** @typedef {{queries: import("../types.js").Axis, keys: import("../types.js").Axis}} Axes */

/** @param {string} scope @param {string} text */
const heading = (scope, text) => element("th", { scope }, element("bdi", {}, text));

/** @param {import("../types.js").HeadMap} map @param {Axes} axes */
function wholeOf(map, { queries, keys }) {
  const cols = [...Array(map.cols).keys()];
  /** @param {number} row @param {number} col */
  const said = (row, col) =>
    masked(map, row, col) ? t("mapTableMasked") : fourDigits(map.weights[row * map.cols + col]);
  const head = element("tr", {}, element("td"), ...cols.map((col) => heading("col", tokenText(keys, col))));
  return [
    head,
    ...[...Array(map.rows).keys()].map((row) =>
      element("tr", {}, heading("row", tokenText(queries, row)), ...cols.map((col) => element("td", {}, said(row, col)))),
    ),
  ];
}

/** @param {import("../types.js").HeadMap} map @param {Axes} axes */
function strongestOf(map, { queries, keys }) {
  const ranks = [...Array(LISTED).keys()].map((at) => heading("col", t("mapTableRank", { rank: at + 1 })));
  return [
    element("tr", {}, element("td"), ...ranks),
    ...[...Array(map.rows).keys()].map((row) =>
      element(
        "tr",
        {},
        heading("row", tokenText(queries, row)),
        ...topK(map, row, LISTED).map(({ col, weight }) =>
          element("td", {}, element("bdi", {}, tokenText(keys, col)), ` ${fourDigits(weight)}`),
        ),
      ),
    ),
  ];
}
