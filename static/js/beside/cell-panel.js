/** The right column: one cell, its row, its head. */

import { cellOf, exact, largest, listed as written, masked, rowOf, topK } from "../map/cells.js";
import { errorOf } from "../views/certificate.js";
import { byId, cssColour, element, sharpContext, setText } from "../views/dom.js";
import { groupName, groupOf, grouped } from "../map/grid/groups.js";
import { figure, MEASURES, place } from "../map/grid/heads.js";
import { t } from "../text/i18n.js";
import { withBytesApart } from "../text/isolate.js";
import { tokenText } from "../text/words.js";

/** @typedef {import("../types.js").Axis} Axis */
/** @typedef {import("../types.js").Cell} Cell */
/** @typedef {import("../types.js").HeadMap} HeadMap */
/** @typedef {{map: HeadMap, queries: Axis, keys: Axis}} Row of a map: all of it, or the row that is here */

const LISTED = 6;
const PLACES = { low: "placeLow", high: "placeHigh", far: "placeFar" };
const PROFILE_HEIGHT = 56;

/** Where the largest of some weights in a row is. @param {Float32Array} weights @param {number} start @param {number} count */
function largestIn(weights, start, count) {
  let best = start;
  for (let key = start + 1; key < Math.min(start + count, weights.length); key++)
    if (Math.abs(weights[key]) > Math.abs(weights[best])) best = key;
  return best;
}

/** A token in an element of its own: what reads from right to left reorders nothing beside it. @param {string} id @param {string} text */
function showToken(id, text) {
  byId(id).dir = "auto";
  setText(byId(id), withBytesApart(text));
}

export class CellPanel {
  /** @param {{choose: (cell: Cell) => void, said: (said: import("../map/card.js").Said) => void}} on `said`: of any cell */
  constructor(on) {
    this.on = on;
    /** @type {HeadMap | null} */
    this.map = null;
    /** @type {Axis | null} */
    this.queries = null;
    /** @type {Axis | null} */
    this.keys = null;
    /** @type {HeadMap | null} the map whose row is listed */
    this.listed = null;
    /** @type {Cell | null} */
    this.cell = null;
    byId("profile").addEventListener("click", (event) => {
      const { map, cell } = this;
      if (!map || !cell) return;
      const per = map.cols / byId("profile").clientWidth;
      const col = largestIn(rowOf(map, cell.row), Math.floor(event.offsetX * per), Math.ceil(per));
      if (!masked(map, cell.row, col)) this.on.choose({ row: cell.row, col });
    });
    this.width = 0; // of the profile
    new ResizeObserver(() => {
      this.width = byId("profile").parentElement?.clientWidth ?? 0;
      if (this.map) this.profile(this.map);
    }).observe(byId("cell-details"));
  }

  /** @param {HeadMap} map @param {Axis} queries @param {Axis} keys */
  use(map, queries, keys) {
    this.map = map;
    this.queries = queries;
    this.keys = keys;
    byId("cell-details").hidden = false;
  }

  /** The tokens of a cell. @param {Cell} cell */
  place({ row, col }) {
    setText(byId("cell-place"), `(${row}, ${col})`);
    if (this.queries) showToken("cell-query", tokenText(this.queries, row));
    if (this.keys) showToken("cell-key", tokenText(this.keys, col));
  }

  /** @param {Cell} kept */
  show(kept) {
    const { map } = this;
    if (!map) return;
    const { row, col } = kept;
    const rowChanged = row !== this.cell?.row || map !== this.listed;
    this.cell = kept;
    this.listed = map;
    const cell = cellOf(map, row, col);
    this.place(kept);
    setText(byId("cell-weight"), cell.masked ? "—" : exact(cell.weight));
    byId("cell-weight").classList.remove("quiet");
    byId("cell-weight").title = cell.masked ? t("cellMasked") : "";
    setText(byId("cell-rank"), cell.masked ? t("cellMasked") : t("rankOf", { rank: cell.rank, of: cell.of }));
    byId("row-there").classList.remove("elsewhere");
    this.say(kept);
    this.profile(map);
    if (rowChanged) this.list(map, row);
    for (const item of listed()) item.classList.toggle("current", Number(item.dataset.col) === col);
  }

  /** Where the cell's query looks, as bars. @param {HeadMap} map */
  profile(map) {
    const canvas = byId("profile");
    const { width } = this;
    if (!width || !this.cell) return;
    const { row, col } = this.cell;
    const context = sharpContext(canvas, width, PROFILE_HEIGHT);
    const weights = rowOf(map, row);
    const per = Math.max(1, map.cols / width); // keys a pixel
    const step = width / map.cols;
    const alone = map.unit || map.from !== undefined; // a measure's row, and one of so many that none is large
    const top = alone ? Math.abs(weights[largest(weights)]) || 1 : 1;
    const gap = step > 6 ? 2 : step > 3 ? 1 : 0;
    const [bar, chosen, ground, minus] = ["--bar", "--accent", "--line", "--minus"].map(cssColour);
    context.fillStyle = ground;
    context.fillRect(0, PROFILE_HEIGHT - 1, width, 1);
    // Where keys share a pixel the largest stands for them, as in the map.
    /** @param {number} key @param {string} colour @param {number} least height, in pixels */
    const draw = (key, colour, least) => {
      const height = Math.max(Math.min(Math.abs(weights[key]) / top, 1) * (PROFILE_HEIGHT - 1), least);
      if (height < 0.25) return;
      context.fillStyle = weights[key] < 0 && colour === bar ? minus : colour;
      const shown = Math.max(height, 0.5);
      const left = Math.min(key * step + gap / 2, width - 1);
      context.fillRect(left, PROFILE_HEIGHT - 1 - shown, Math.max(step - gap, 1), shown);
    };
    for (let at = 0; at < map.cols; at += per) draw(largestIn(weights, Math.floor(at), Math.ceil(per)), bar, 0);
    draw(col, chosen, 2);
  }

  /**
   * A cell whose row is not here: what is known of it, and no rank.
   *
   * @param {Cell} cell
   * @param {{weight: string, note?: string, certain: boolean}} known
   */
  sketch(cell, { weight, note = "", certain }) {
    this.place(cell);
    setText(byId("cell-weight"), weight);
    byId("cell-weight").classList.toggle("quiet", !certain);
    byId("cell-weight").title = weight === "—" ? t("cellMasked") : "";
    setText(byId("cell-rank"), weight === "—" ? t("cellMasked") : note || t("rankLater"));
    for (const item of listed()) item.classList.remove("current");
    byId("row-there").classList.toggle("elsewhere", cell.row !== this.map?.from);
    this.say(cell);
  }

  /** Tells others what stands here of a cell. @param {Cell} cell */
  say({ row, col }) {
    const { queries, keys } = this;
    if (!queries || !keys) return;
    const [weight, rank] = [byId("cell-weight").textContent ?? "", byId("cell-rank").textContent ?? ""];
    this.on.said({ query: tokenText(queries, row), key: tokenText(keys, col), weight, rank });
  }

  /** The cell in words, for those who do not see it. */
  sentence() {
    const { cell, queries, keys } = this;
    if (!cell || !queries || !keys) return "";
    const [query, key] = [tokenText(queries, cell.row), tokenText(keys, cell.col)];
    const weight = byId("cell-weight").textContent ?? "";
    return weight === "—"
      ? t("cellHidden", { query, key })
      : t("cellSaid", { query, key, weight, rank: byId("cell-rank").textContent ?? "" });
  }

  /** The strongest keys of a row. @param {HeadMap} map @param {number} row */
  list(map, row) {
    const { keys } = this;
    if (!keys) return;
    byId("top").replaceChildren(
      ...topK(map, row, LISTED).map(({ col, weight }, _, [first]) => {
        const bar = element("span", { class: weight < 0 ? "top-bar minus" : "top-bar" });
        const share = map.unit || map.from !== undefined ? Math.abs(weight / (first.weight || 1)) : weight;
        bar.style.setProperty("--weight", share.toFixed(4));
        const button = element(
          "button",
          { type: "button", class: "plain top-item", on: { click: () => this.on.choose({ row, col }) } },
          element(
            "span",
            { class: "token top-token" },
            element("bdi", {}, withBytesApart(tokenText(keys, col))),
            ...number(map, keys, col),
          ),
          bar,
          element("span", { class: "tabular top-weight" }, written(weight, map.unit)),
        );
        return element("li", { data: { col } }, button);
      }),
    );
  }

  /**
   * @param {import("../types.js").HeadRow[]} rows statistics of the site's heads
   * @param {import("../types.js").Site} site
   * @param {number} layer
   * @param {number} head
   * @param {import("../types.js").Certificate} certificate
   */
  head(rows, site, layer, head, certificate) {
    setText(byId("head-place"), t("headShort", { layer, head }));
    byId("head-group").hidden = !grouped(site);
    if (grouped(site)) setText(byId("head-group"), groupName(site, groupOf(site, head)));
    const statistics = rows.find((row) => row.layer === layer && row.head === head);
    const measures = /** @type {import("../types.js").MeasureName[]} */ (Object.keys(MEASURES));
    byId("measures").replaceChildren(
      ...measures.flatMap((measure) => {
        const value = statistics?.[measure];
        if (typeof value !== "number") return [];
        const { place: rank, of } = place(rows, measure, layer, head);
        const where = t(PLACES[MEASURES[measure]], { place: rank, of });
        return element(
          "tr",
          { title: `${t(`${measure}Title`)}. ${where}` },
          element("th", { scope: "row" }, t(measure)),
          element("td", { class: "tabular" }, figure(measure, value)),
          element("td", { class: "tabular quiet" }, t("place", { place: rank, of })),
        );
      }),
      ...this.proof(errorOf(certificate, site.name, layer, head)),
    );
  }

  /** The certificate's word on this very head. @param {string | null} error */
  proof(error) {
    if (error === null) return [];
    const cells = [
      element("th", { scope: "row" }, t("headError")),
      element("td", { class: "tabular" }, error),
      element("td"),
    ];
    return [element("tr", { title: t("headErrorTitle") }, ...cells)];
  }
}

/** Among so many keys a token alone does not say which; a patch or frame does. @param {HeadMap} map @param {Axis} keys @param {number} col */
function number(map, { boxes, seconds }, col) {
  if (map.from === undefined || boxes?.[col] || seconds) return [];
  return [element("span", { class: "quiet small tabular" }, ` ${col}`)];
}

/** The strongest keys on show. */
const listed = () => /** @type {HTMLElement[]} */ ([...byId("top").children]);
