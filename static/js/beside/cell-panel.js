/** The right column: one cell, its row, its head. */

import { cellOf, exact, masked, rowOf, topK } from "../map/cells.js";
import { errorOf } from "../views/certificate.js";
import { byId, cssColour, element, sharpContext } from "../views/dom.js";
import { groupName, groupOf, grouped } from "../map/grid/groups.js";
import { MEASURES, place } from "../map/grid/heads.js";
import { t } from "../text/i18n.js";
import { tokenText } from "../text/words.js";

/** @typedef {import("../types.js").HeadMap} HeadMap */

const LISTED = 6;
const PROFILE_HEIGHT = 56;

/** The largest of some weights in a row. @returns {number} its index */
function largest(weights, start, count) {
  let best = start;
  for (let key = start + 1; key < Math.min(start + count, weights.length); key++)
    if (weights[key] > weights[best]) best = key;
  return best;
}

export class Tell {
  /** @param {{choose: (cell: {row: number, col: number}) => void}} on */
  constructor(on) {
    this.on = on;
    byId("profile").addEventListener("click", (event) => {
      if (!this.map) return;
      const per = this.map.cols / event.target.clientWidth;
      const col = largest(rowOf(this.map, this.row), Math.floor(event.offsetX * per), Math.ceil(per));
      if (!masked(this.map, this.row, col)) this.on.choose({ row: this.row, col });
    });
    new ResizeObserver(() => this.map && this.profile()).observe(byId("tell"));
  }

  /** @param {HeadMap} map */
  use(map, queries, keys) {
    Object.assign(this, { map, queries, keys });
    byId("tell").hidden = false;
  }

  /** @param {{row: number, col: number}} cell */
  show({ row, col }) {
    const { map } = this;
    const rowChanged = row !== this.row || map !== this.listed;
    Object.assign(this, { row, col, listed: map });
    const cell = cellOf(map, row, col);
    byId("cell-place").textContent = `(${row}, ${col})`;
    byId("cell-weight").textContent = cell.masked ? "—" : exact(cell.weight);
    byId("cell-weight").classList.remove("quiet");
    byId("cell-weight").title = cell.masked ? t("cellMasked") : "";
    byId("cell-query").textContent = tokenText(this.queries, row);
    byId("cell-key").textContent = tokenText(this.keys, col);
    byId("cell-rank").textContent = cell.masked ? t("cellMasked") : t("rankOf", { rank: cell.rank, of: cell.of });
    this.profile();
    if (rowChanged) this.list();
    for (const item of byId("top").children) item.classList.toggle("current", Number(item.dataset.col) === col);
  }

  profile() {
    const { map, row, col } = this;
    const canvas = byId("profile");
    const width = canvas.parentElement.clientWidth;
    if (!width || row === undefined) return;
    const context = sharpContext(canvas, width, PROFILE_HEIGHT);
    const weights = rowOf(map, row);
    const per = Math.max(1, map.cols / width); // keys a pixel
    const step = width / map.cols;
    const top = map.from === undefined ? 1 : weights[largest(weights, 0, map.cols)] || 1; // of so many, none is large
    const gap = step > 6 ? 2 : step > 3 ? 1 : 0;
    const [bar, chosen, ground] = [cssColour("--bar"), cssColour("--accent"), cssColour("--line")];
    context.fillStyle = ground;
    context.fillRect(0, PROFILE_HEIGHT - 1, width, 1);
    // Where keys share a pixel the largest stands for them, as in the map.
    const draw = (key, colour, least) => {
      const height = Math.max(Math.min(weights[key] / top, 1) * (PROFILE_HEIGHT - 1), least);
      if (height < 0.25) return;
      context.fillStyle = colour;
      const shown = Math.max(height, 0.5);
      const left = Math.min(key * step + gap / 2, width - 1);
      context.fillRect(left, PROFILE_HEIGHT - 1 - shown, Math.max(step - gap, 1), shown);
    };
    for (let at = 0; at < map.cols; at += per) draw(largest(weights, Math.floor(at), Math.ceil(per)), bar, 0);
    draw(col, chosen, 2);
  }

  /**
   * A cell whose row is not here: what is known of it, and no rank.
   *
   * @param {{row: number, col: number}} cell
   * @param {{weight: string, note?: string, certain: boolean}} known
   */
  sketch({ row, col }, { weight, note = "", certain }) {
    byId("cell-place").textContent = `(${row}, ${col})`;
    byId("cell-weight").textContent = weight;
    byId("cell-weight").classList.toggle("quiet", !certain);
    byId("cell-weight").title = weight === "—" ? t("cellMasked") : "";
    byId("cell-query").textContent = tokenText(this.queries, row);
    byId("cell-key").textContent = tokenText(this.keys, col);
    byId("cell-rank").textContent = weight === "—" ? t("cellMasked") : note || t("rankLater");
    for (const item of byId("top").children) item.classList.remove("current");
  }

  list() {
    const { map, row } = this;
    byId("top").replaceChildren(
      ...topK(map, row, LISTED).map(({ col, weight }, _, [first]) => {
        const bar = element("span", { class: "top-bar" });
        bar.style.setProperty("--weight", (map.from === undefined ? weight : weight / (first.weight || 1)).toFixed(4));
        const button = element(
          "button",
          { type: "button", class: "plain top-item", on: { click: () => this.on.choose({ row, col }) } },
          element("span", { class: "token top-token" }, tokenText(this.keys, col), ...this.number(col)),
          bar,
          element("span", { class: "tabular top-weight" }, weight < 5e-5 && weight > 0 ? "<.0001" : weight.toFixed(4)),
        );
        return element("li", { data: { col } }, button);
      }),
    );
  }

  /** Among so many keys a token alone does not say which; a patch or frame does. @returns {HTMLElement[]} */
  number(col) {
    const { boxes, seconds } = this.keys;
    return this.map.from === undefined || boxes?.[col] || seconds ? [] : [element("span", { class: "quiet small tabular" }, ` ${col}`)];
  }

  /**
   * @param {any[]} rows statistics of the site's heads
   * @param {import("../types.js").Site} site
   * @param {import("../types.js").Certificate} certificate
   */
  head(rows, site, layer, head, certificate) {
    byId("head-place").textContent = t("headShort", { layer, head });
    byId("head-group").hidden = !grouped(site);
    if (grouped(site)) byId("head-group").textContent = groupName(site, groupOf(site, head));
    const own = rows.find((row) => row.layer === layer && row.head === head);
    byId("measures").replaceChildren(
      ...Object.keys(MEASURES)
        .filter((measure) => typeof own?.[measure] === "number")
        .map((measure) => {
          const { place: rank, of } = place(rows, measure, layer, head);
          const where = t(MEASURES[measure] === "low" ? "placeLow" : "placeHigh", { place: rank, of });
          return element(
            "tr",
            { title: `${t(`${measure}Title`)}. ${where}` },
            element("th", { scope: "row" }, t(measure)),
            element("td", { class: "tabular" }, own[measure].toFixed(3)),
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
