/** The three pictures of a comparison: one cursor, one view, one card at the pointer. */

import { exact } from "../../map/cells.js";
import { floorOf } from "../../map/colour.js";
import { t } from "../../text/i18n.js";
import { element } from "../../views/dom.js";
import { FOLDED } from "../../views/narrow.js";
import { signedColours, unitColours, weightColours } from "./colours.js";
import { farthest, partOf } from "./numbers.js";
import { blocksOf, Picture, valueAt } from "./picture.js";
import { PointerCard } from "./pointer_card.js";
import { nats } from "./ranking.js";

/** @typedef {import("../../types.js").Cell} Cell */
/** @typedef {import("../../types.js").Range} Range */
/** @typedef {import("./pair.js").Pair} Pair */
/**
 * @typedef {object} Look how they are drawn
 * @property {import("../../types.js").Palette} palette
 * @property {import("../../types.js").Theme} theme
 * @property {import("../../types.js").Scale} scale
 * @property {Range} rows in view, of the first
 * @property {Range} cols
 * @property {[string, string]} names of both maps
 */

const BARE = 4; // pixels at the left of a picture whose rows are named beside it

export class Gallery {
  /**
   * @param {object} on
   * @param {(place: import("../../types.js").Place | null) => void} on.point
   * @param {(cell: Cell) => void} on.choose
   * @param {(factor: number, cell: Cell | null) => void} on.zoom
   * @param {(cols: number, rows: number, done: boolean) => void} on.pan
   * @param {() => void} on.reset
   */
  constructor(on) {
    this.on = on;
    /** @type {Pair | null} */
    this.pair = null;
    this.card = new PointerCard();
    this.facts = element("p", { class: "quiet small tabular", id: "compare-facts" });
    this.kept = element("p", { class: "small tabular", id: "compare-kept", role: "status" });
    this.scale = element("span", { class: "compare-scale" });
    this.legend = element("span", { class: "compare-legend tabular" });
    /** @param {string} name @param {boolean} second */
    const picture = (name, second) =>
      new Picture(name, {
        hover: (cell, event) => this.hover(cell, event, second),
        choose: (cell) => this.choose(this.mine(cell, second)),
        zoom: (factor, [col, row]) => on.zoom(factor, this.mine({ row, col }, second)),
        pan: on.pan,
        reset: on.reset,
      });
    this.first = picture("compare-first", false);
    this.second = picture("compare-second", true);
    this.less = picture("compare-less", false);
    const pictures = [this.first, this.second, this.less];
    this.root = element("div", { class: "compare-sheets" }, ...pictures.map(({ root }) => root));
  }

  /** Whether one of the pictures is pointed at. */
  get pointed() {
    return this.card.shown;
  }

  /** @param {Pair} pair @param {Look} look */
  show(pair, { palette, theme, scale, rows, cols, names }) {
    this.pair = pair;
    this.root.hidden = false;
    const { one, two, site, first, second, less } = pair;
    const { shape } = two.site(site);
    const units = pair.units ?? [1, 1];
    const floor = floorOf(one.site(site).shape[1]);
    const shade = weightColours(palette, theme, scale, floor);
    /** @param {0 | 1} side */
    const colourOf = (side) => {
      const unit = side ? two.unitOf(site, pair.other) : one.unitOf(site, pair.head);
      if (!unit) return (/** @type {number} */ value) => shade(value / units[side]);
      return unitColours(pair.units ? { ...unit, limit: units[side] } : unit, palette, theme, scale, floor);
    };
    const { most, at } = farthest(less.values);
    const signed = signedColours(most, theme, scale);
    const axes = { queries: one.queries(site), keys: one.keys(site) };
    const its = { queries: two.queries(site), keys: two.keys(site) };
    const view = { rows: partOf(pair.rows, rows, shape[0]), cols: partOf(pair.cols, cols, shape[1]) };
    // Columns' labels have the same room in all three, so that rows stand beside rows; beside equal rows they are not said again.
    const [mine, other] = [this.first.margins({ rows, cols, ...axes }), this.second.margins({ ...view, ...its })];
    const top = Math.max(mine.top, other.top);
    const said = FOLDED.matches ? null : sameLabels(axes.queries, its.queries) && rows.join() === view.rows.join();
    const left = [mine.left, said ? BARE : other.left, said === null ? mine.left : BARE];
    const pictures = [this.first, this.second, this.less];
    pictures.forEach(({ root }, side) => (root.style.flexBasis = said === null ? "auto" : `${left[side]}px`));
    const margins = left.map((width) => ({ left: width, top }));
    this.first.show({ sheet: first, rows, cols, ...axes, colour: colourOf(0), margin: margins[0], ground: "hatch" }, names[0]);
    this.second.show({ sheet: second, ...view, ...its, colour: colourOf(1), margin: margins[1], ground: "hatch" }, names[1]);
    const title = t(most > 0 ? "compareLess" : "compareSame");
    this.less.show({ sheet: less, rows, cols, ...axes, colour: signed, margin: margins[2], ground: "plain" }, title);
    const stops = [-1, -0.5, 0, 0.5, 1].map((share) => `rgb(${signed(share * most).join(" ")})`);
    this.scale.style.background = `linear-gradient(to right, ${stops.join(", ")})`;
    const ends = [`−${brief(most)}`, `+${brief(most)}`];
    this.legend.replaceChildren(element("span", {}, ends[0]), this.scale, element("span", {}, ends[1]));
    this.legend.title = t("compareLegend", { least: ends[0], most: ends[1] });
    this.legend.hidden = most === 0;
    this.less.root.firstElementChild?.append(this.legend);
    const wide = blocksOf(less.cols, less.side);
    const place = { row: less.rows[0] + Math.floor(at / wide) * less.side, col: less.cols[0] + (at % wide) * less.side };
    const facts = pair.divergence === null ? [] : [t("compareDistance", { value: nats(pair.divergence) })];
    if (pair.units) facts.push(t("compareShares", { first: exact(units[0]), second: exact(units[1]) }));
    if (less.side > 1) facts.push(t("compareBlock", { n: less.side }));
    else if (most > 0)
      facts.push(t("compareFarthest", { cell: this.card.cellName(axes, place), value: signedText(less.values[at]) }));
    this.facts.textContent = facts.join(" · ");
  }

  /** There is nothing to compare. */
  clear() {
    this.pair = null;
    this.root.hidden = true;
    this.facts.textContent = this.kept.textContent = "";
    this.leave();
  }

  leave() {
    this.card.hide();
    this.mark(null);
  }

  /** A cell of the first as the second has it. @param {Cell | null} cell @returns {Cell | null} */
  its(cell) {
    const { pair } = this;
    return cell && pair && { row: pair.rows[cell.row] ?? -1, col: pair.cols[cell.col] ?? -1 };
  }

  /** A cell of either as the first has it. @param {Cell | null} cell @param {boolean} second @returns {Cell | null} */
  mine(cell, second) {
    const { pair } = this;
    if (!cell || !second || !pair) return cell;
    return { row: pair.rowsBack[cell.row] ?? -1, col: pair.colsBack[cell.col] ?? -1 };
  }

  /** @param {Cell | null} cell of the first */
  keep(cell) {
    this.first.keep(cell);
    this.less.keep(cell);
    this.second.keep(this.its(cell));
    this.kept.textContent = cell ? this.told(cell) : "";
  }

  /** What there is at a cell of the first, in words: for those who do not point. @param {Cell} cell */
  told(cell) {
    const { pair } = this;
    const its = this.its(cell);
    if (!pair || !its) return "";
    const axes = { queries: pair.one.queries(pair.site), keys: pair.one.keys(pair.site) };
    if (cell.row >= axes.queries.labels.length || cell.col >= axes.keys.labels.length) return "";
    const [first, second] = [valueAt(pair.first, cell.row, cell.col), valueAt(pair.second, its.row, its.col)];
    const less = valueAt(pair.less, cell.row, cell.col);
    return t("compareKept", {
      cell: this.card.cellName(axes, cell),
      first: Number.isNaN(first) ? "–" : exact(first).replace("-", "−"),
      second: Number.isNaN(second) ? "–" : exact(second).replace("-", "−"),
      less: Number.isNaN(less) ? "–" : signedText(less),
    });
  }

  /** @param {Cell | null} cell of the first */
  mark(cell) {
    this.first.point(cell);
    this.less.point(cell);
    this.second.point(this.its(cell));
  }

  /** @param {Cell | null} cell of the first; what has no counterpart there cannot be kept */
  choose(cell) {
    if (cell && cell.row >= 0 && cell.col >= 0) this.on.choose(cell);
  }

  /** @param {Cell | null} cell @param {PointerEvent} event @param {boolean} second */
  hover(cell, event, second) {
    const { pair } = this;
    const mine = this.mine(cell, second);
    if (!cell || !mine || !pair) {
      this.leave();
      return this.on.point(null);
    }
    const its = (second ? cell : this.its(cell)) ?? cell;
    const whose = second ? pair.two : pair.one;
    const names = { queries: whose.queries(pair.site), keys: whose.keys(pair.site) };
    this.card.show(event, this.card.cellName(names, cell), [
      [t("compareFirst"), valueAt(pair.first, mine.row, mine.col), false],
      [t("compareSecond"), valueAt(pair.second, its.row, its.col), false],
      [t("compareDifference"), valueAt(pair.less, mine.row, mine.col), true],
    ]);
    if (mine.row >= 0 && mine.col >= 0) this.on.point({ rows: [mine.row], cols: [mine.col] });
    this.mark(mine);
    if (second) this.second.point(cell);
  }
}

/** @param {import("../../types.js").Axis} one @param {import("../../types.js").Axis} other */
const sameLabels = (one, other) => one === other || one.labels.join("\n") === other.labels.join("\n");

/** A difference in few digits. @param {number} value */
const brief = (value) => (value >= 0.01 || value === 0 ? value.toFixed(2) : value.toExponential(1).replace("-", "−"));

/** A difference in full, with its sign. @param {number} value */
const signedText = (value) => `${value > 0 ? "+" : value < 0 ? "−" : ""}${exact(Math.abs(value))}`;
