/** The layer x head grid: one canvas holds all thumbnails; an invisible option over each has its name and its clicks. */

import { lookupTable } from "../colour.js";
import { byId, contextOf, cssColour, element, sharpContext } from "../../views/dom.js";
import { groupName, groupOf, grouped, groupsOf } from "./groups.js";
import { inPlace, isMeasure, sorted } from "./heads.js";
import { siteName, t } from "../../text/i18n.js";
import { WEIGHTS } from "../../api/u8log.js";

/**
 * @typedef {object} Look what the grid shows, and how
 * @property {import("../../types.js").Site} site
 * @property {import("../../types.js").HeadRow[]} rows the site's statistics; empty until they arrive
 * @property {import("../../types.js").Thumbnails | null} thumbnails
 * @property {string} sort a measure's name; empty: by layer and head
 * @property {import("../../types.js").Scale} scale
 * @property {import("../../types.js").Palette} palette
 * @property {import("../../types.js").Theme} theme
 *
 * @typedef {import("../../types.js").Head} Head
 * @typedef {[number, number][]} Places left and top of each thumbnail
 */

const GAP = 4;
const RING = 6; // around the chosen head
const GUTTER = 24; // for a layer's name
const GROUP_GAP = 6; // more between heads that share no keys
const BRACKET = 18; // above the first line: a group's name and bracket
const TINIEST = 8; // pixels a side, on the narrowest page
const SMALLEST = 26;
const COMFORTABLE = 36;
const LARGEST = 52;
const SHARE = 0.17; // of the window's height: the grid leaves the rest to the heatmap
const LOWEST = 104; // pixels

/**
 * Places of the thumbnails: layers side by side where the width allows, so that the grid stays low.
 *
 * @param {number} layers
 * @param {number} heads
 * @param {number} width in pixels
 * @param {number} tallest in pixels; more lines than fit get the smallest thumbnails
 * @param {number} [groups] of heads, with a gap between them
 * @returns {{size: number, beside: number, height: number}} `beside`: layers in one line
 */
export function arrange(layers, heads, width, tallest, groups = 1) {
  const gaps = (groups - 1) * GROUP_GAP;
  const ways = Array.from({ length: layers }, (_, index) => {
    const beside = index + 1;
    const lines = Math.ceil(layers / beside);
    const room = Math.floor((width - beside * (GUTTER + GAP + gaps)) / (beside * heads)) - GAP;
    const size = Math.max(TINIEST, Math.min(LARGEST, room, Math.max(SMALLEST, Math.floor(tallest / lines) - GAP)));
    return { size, beside, height: lines * (size + GAP) - GAP };
  });
  /** @typedef {typeof ways[number]} Way */
  /** @param {Way} way @param {Way} other */
  const low = (way, other) => way.height - other.height || other.size - way.size;
  const roomy = ways.filter((way) => way.size >= COMFORTABLE).sort(low);
  const tight = ways.filter((way) => way.size >= SMALLEST).sort(low);
  return roomy[0] ?? tight[0] ?? ways[0];
}

export class Grid {
  /** @param {{choose: (layer: number, head: number) => void, near: (layer: number, head: number) => void}} on */
  constructor(on) {
    this.on = on;
    this.root = byId("grid");
    this.list = byId("heads");
    /** @type {Look | null} */
    this.look = null;
    /** @param {MouseEvent} event @param {(layer: number, head: number) => void} act */
    const over = (event, act) => {
      /** @type {HTMLElement | null} */
      const option = /** @type {Element} */ (event.target).closest("[role=option]");
      if (option) act(Number(option.dataset.layer), Number(option.dataset.head));
    };
    this.list.addEventListener("click", (event) => over(event, this.on.choose));
    this.list.addEventListener("pointerover", (event) => over(event, this.on.near));
    new ResizeObserver(() => this.draw()).observe(this.root);
  }

  /** @param {Look} look */
  show(look) {
    const { site } = look;
    this.look = look;
    this.root.hidden = byId("sort-field").hidden = site.layers * site.heads < 2;
    this.draw();
  }

  /** Heads in the order on show. @param {Look} look @returns {(Head & Partial<import("../../types.js").HeadRow>)[]} */
  order({ site, rows, sort }) {
    const every = inPlace(site);
    return rows.length === every.length ? sorted(rows, sort) : every;
  }

  draw() {
    const width = this.root.clientWidth;
    const { look } = this;
    if (!look || !width || this.root.hidden) return;
    const { site, rows, sort } = look;
    const { layers, heads } = site;
    const shared = grouped(site);
    const groups = shared ? site.kv_heads : 1;
    const { size, beside } = arrange(layers, heads, width, Math.max(LOWEST, SHARE * window.innerHeight), groups);
    const order = this.order(look);
    const ranked = isMeasure(sort) && rows.length > 0;
    const across = Math.max(1, Math.floor((width + GAP) / (size + GAP)));
    const block = GUTTER + heads * (size + GAP) + (groups - 1) * GROUP_GAP + GAP;
    const top = shared && !ranked ? BRACKET : 0;
    /** @param {number} layer @param {number} head */
    const left = (layer, head) =>
      (layer % beside) * block + GUTTER + head * (size + GAP) + (shared ? groupOf(site, head) * GROUP_GAP : 0);
    /** @type {Places} */
    const places = order.map(({ layer, head }, index) => {
      if (ranked) return [(index % across) * (size + GAP), Math.floor(index / across) * (size + GAP)];
      return [left(layer, head), top + Math.floor(layer / beside) * (size + GAP)];
    });
    const height = Math.max(...places.map(([, y]) => y)) + size;
    const context = sharpContext(byId("atlas"), width, height);
    this.list.style.height = `${height}px`;
    context.font = "12px system-ui, sans-serif";
    context.textBaseline = "middle";
    context.fillStyle = cssColour("--quiet");
    if (!ranked) {
      order.forEach(({ layer, head }, index) => {
        if (head === 0) context.fillText(String(layer), places[index][0] - GUTTER + 4, places[index][1] + size / 2);
      });
    }
    context.imageSmoothingEnabled = false;
    context.fillStyle = cssColour("--sunken");
    const tile = this.painter(look);
    order.forEach(({ layer, head }, index) => {
      const [x, y] = places[index];
      context.fillRect(x, y, size, size);
      if (tile) context.drawImage(tile(layer, head), x, y, size, size);
    });
    this.options(look, order, places, size);
    this.brackets(site, top ? Math.min(beside, layers) : 0, left, size);
  }

  /**
   * Over the heads that share keys and values, what they share; the columns below are the same in every line.
   *
   * @param {Look["site"]} site
   * @param {number} blocks layers in a line
   * @param {(layer: number, head: number) => number} left of a thumbnail
   * @param {number} size of it
   */
  brackets(site, blocks, left, size) {
    const names = groupsOf(site).map(({ group }) => groupName(site, group));
    byId("groups").replaceChildren(
      ...Array.from({ length: blocks }, (_, layer) =>
        groupsOf(site).map(({ group, first, last }) => {
          const width = left(layer, last) + size - left(layer, first);
          const name = width >= 7 * names[group].length ? names[group] : t("groupShort", { group });
          const node = element("div", { class: "group", title: names[group] }, element("span", {}, name));
          node.style.left = `${left(layer, first)}px`;
          node.style.width = `${width}px`;
          return node;
        }),
      ).flat(),
    );
  }

  /**
   * What draws one thumbnail at its own resolution.
   *
   * @param {Look} look
   * @returns {((layer: number, head: number) => HTMLCanvasElement) | null}
   */
  painter({ thumbnails, palette, theme, scale }) {
    if (!thumbnails) return null;
    const { shape, codes } = thumbnails;
    const [, heads, rows, cols] = shape;
    const colours = new Uint32Array(lookupTable(WEIGHTS, palette, theme, scale).buffer);
    const canvas = document.createElement("canvas");
    canvas.width = cols;
    canvas.height = rows;
    const context = contextOf(canvas);
    return (layer, head) => {
      const image = context.createImageData(cols, rows);
      const pixels = new Uint32Array(image.data.buffer);
      const start = (layer * heads + head) * rows * cols;
      for (let cell = 0; cell < pixels.length; cell++) pixels[cell] = colours[codes[start + cell]];
      context.putImageData(image, 0, 0);
      return canvas;
    };
  }

  /** @param {Look} look @param {(Head & Partial<Look["rows"][number]>)[]} order @param {Places} places @param {number} size */
  options({ site, sort }, order, places, size) {
    const { layers, heads } = site;
    this.list.setAttribute("aria-label", t("headsLabel", { site: siteName(site.name), layers, heads }));
    this.list.replaceChildren(
      ...order.map((row, index) => {
        const of = grouped(site) ? ` · ${groupName(site, groupOf(site, row.head))}` : "";
        const name = t("headName", { layer: row.layer, head: row.head }) + of;
        const value = isMeasure(sort) ? row[sort] : undefined;
        const measure = value === undefined ? "" : ` · ${t(sort)} ${value.toFixed(3)}`;
        const option = element("div", {
          class: "head",
          role: "option",
          id: `head-${row.layer}-${row.head}`,
          title: name + measure,
          "aria-label": name + measure,
          "aria-selected": "false",
          data: { layer: row.layer, head: row.head },
        });
        [option.style.left, option.style.top] = places[index].map((pixels) => `${pixels}px`);
        option.style.width = option.style.height = `${size}px`;
        return option;
      }),
    );
    if (this.chosen) this.mark(this.chosen.layer, this.chosen.head);
  }

  /** @param {number} layer @param {number} head */
  mark(layer, head) {
    this.chosen = { layer, head };
    for (const option of this.list.children) option.setAttribute("aria-selected", "false");
    const chosen = document.getElementById(`head-${layer}-${head}`);
    if (!chosen) return;
    chosen.setAttribute("aria-selected", "true");
    this.list.setAttribute("aria-activedescendant", chosen.id);
    const room = byId("grid-room");
    const low = chosen.offsetTop + chosen.offsetHeight - room.clientHeight + RING;
    room.scrollTop = Math.min(Math.max(room.scrollTop, low), chosen.offsetTop);
  }
}
