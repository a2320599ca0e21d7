/**
 * The heads, a line a layer: one canvas holds all thumbnails; an invisible option over each has its name and its clicks.
 * In the order of a measure they follow each other over the same columns.
 */

import { lookupTable } from "../colour.js";
import { byId, contextOf, cssColour, element, onceAFrame, sharpContext } from "../../views/dom.js";
import { FOLDED } from "../../views/narrow.js";
import { groupName, groupOf, grouped, groupsOf } from "./groups.js";
import { effectColour } from "./effects.js";
import { figure, inPlace, isMeasure, sorted } from "./heads.js";
import { kindsSaid } from "./kinds.js";
import { NEAR, nameOf } from "./near.js";
import { siteName, t } from "../../text/i18n.js";

/**
 * @typedef {object} Look what the grid shows, and how
 * @property {import("../../types.js").Site} site
 * @property {import("../../types.js").HeadRow[]} rows the site's statistics; empty until they arrive
 * @property {import("../../types.js").Thumbnails | null} thumbnails
 * @property {import("./near.js").Near} [near] instead of the thumbnails of heads that look at what is near
 * @property {ArrayLike<number>} codes the values of their codes
 * @property {import("../../types.js").Unit | undefined} unit what the values are, where they are no weights
 * @property {import("./effects.js").Held | null} effects of heads; null: they have not been asked for
 * @property {string} rail what is shown of each head: its effect; empty: its map
 * @property {string} kind of heads that are picked out; empty: all are alike
 * @property {string} sort a measure's name; empty: by layer and head
 * @property {import("../../types.js").Scale} scale
 * @property {import("../../types.js").Palette} palette
 * @property {import("../../types.js").Theme} theme
 *
 * @typedef {import("../../types.js").Head} Head
 * @typedef {[number, number][]} Places left and top of each thumbnail
 */

const GUTTER = 20; // pixels at the left, for the layers' numbers
const NAMES = 16; // above, for the heads'
const GAP = 2;
const RING = 6; // around the chosen head
const GROUP_GAP = 6; // more between heads that share no keys
const COMFORTABLE = 24; // pixels from one head to the next: a target that a pointer finds
const FINGER = 44;
const TINIEST = 10;
const WIDEST = 248; // pixels: the map beside needs the rest
const FADED = 0.28; // of a head that is not picked out: there, and no more than that
const COARSE = window.matchMedia("(pointer: coarse)");

/**
 * Places of the thumbnails: a line a layer, heads in columns, as near each other as they must.
 *
 * @param {number} heads
 * @param {number} groups of heads, with a gap between them
 * @param {{width?: number, coarse?: boolean}} [room] `width`: all that there is, where the page is one column
 * @returns {{pitch: number, size: number, width: number}} in pixels, from one to the next and of each; `width` of all
 */
export function arrange(heads, groups, { width, coarse = false } = {}) {
  const taken = GUTTER + (groups - 1) * GROUP_GAP;
  const fitting = Math.floor(((width ?? WIDEST) - taken) / heads);
  const most = width === undefined ? COMFORTABLE : FINGER;
  const pitch = Math.max(coarse ? FINGER : TINIEST, Math.min(most, fitting));
  return { pitch, size: pitch - GAP, width: taken + heads * pitch };
}

const CORNER = 6; // pixels of the sign that a thumbnail shows a part

/** The sign that a thumbnail shows the map's end alone. @param {CanvasRenderingContext2D} context @param {number} right @param {number} top */
function corner(context, right, top) {
  context.beginPath();
  context.moveTo(right - CORNER, top);
  context.lineTo(right, top);
  context.lineTo(right, top + CORNER);
  context.fillStyle = cssColour("--bar");
  context.fill();
}

/** A head's figure, behind its name. @param {Head & Partial<import("../../types.js").HeadRow>} row @param {string} measure */
function said(row, measure) {
  if (!isMeasure(measure)) return "";
  const value = row[measure];
  return value === undefined ? "" : ` · ${t(measure)} ${figure(measure, value)}`;
}

export class Grid {
  /** @param {{choose: (layer: number, head: number) => void, near: (layer: number, head: number) => void}} on */
  constructor(on) {
    this.on = on;
    this.root = byId("grid");
    this.list = byId("heads");
    this.reveal = onceAFrame(() => this.scroll()); // where things are is asked when they are, for all at once
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
    const { look } = this;
    if (!look || this.root.hidden) return;
    const { site, rows, sort } = look;
    const shared = grouped(site);
    const groups = shared ? site.kv_heads : 1;
    const room = { coarse: COARSE.matches, ...(FOLDED.matches ? { width: this.root.clientWidth } : {}) };
    const { pitch, size, width } = arrange(site.heads, groups, room);
    byId("layers").style.setProperty("--heads-width", `${width}px`);
    const order = this.order(look);
    const ranked = isMeasure(sort) && rows.length > 0;
    /** @param {number} column */
    const left = (column) => GUTTER + column * pitch + (shared && !ranked ? groupOf(site, column) * GROUP_GAP : 0);
    /** @type {Places} */
    const places = order.map(({ layer, head }, index) =>
      ranked
        ? [left(index % site.heads), Math.floor(index / site.heads) * pitch]
        : [left(head), layer * pitch],
    );
    const height = Math.max(...places.map(([, y]) => y)) + size + 1;
    const context = sharpContext(byId("atlas"), width, height);
    this.list.style.height = `${height}px`;
    this.names(ranked ? null : site, width, size, left);
    context.font = "11px system-ui, sans-serif";
    context.textBaseline = "middle";
    context.fillStyle = cssColour("--quiet");
    if (!ranked)
      for (let layer = 0; layer < site.layers; layer++) context.fillText(String(layer), 2, layer * pitch + size / 2);
    const { thumbnails } = look;
    // Fewer cells than pixels keep their edges; where cells share pixels none may fall out.
    context.imageSmoothingEnabled = (thumbnails?.shape[3] ?? 0) > size * (window.devicePixelRatio || 1);
    context.imageSmoothingQuality = "high";
    context.fillStyle = cssColour("--sunken");
    context.strokeStyle = cssColour("--edge");
    const { theme, kind } = look;
    const effects = look.rail ? look.effects : null;
    const tile = effects ? null : this.painter(look);
    const ground = context.fillStyle;
    order.forEach((row, index) => {
      const [x, y] = places[index];
      context.globalAlpha = !kind || row.kinds?.includes(kind) ? 1 : FADED;
      context.fillStyle = (effects && effectColour(row.effect, effects, theme)) ?? ground;
      context.fillRect(x, y, size, size);
      if (tile) context.drawImage(tile(row.layer, row.head), x, y, size, size);
      if (tile && look.near?.has(nameOf(row))) corner(context, x + size, y);
      context.strokeRect(x - 0.5, y - 0.5, size + 1, size + 1);
    });
    context.globalAlpha = 1;
    this.options(look, order, places, size);
    this.brackets(site, shared && !ranked, left, size);
  }

  /** The heads' numbers over their columns, as many as have room. @param {Look["site"] | null} site null: no column is one head's @param {number} width @param {number} size @param {(column: number) => number} left */
  names(site, width, size, left) {
    const context = sharpContext(byId("numbers"), width, NAMES);
    context.font = "11px system-ui, sans-serif";
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.fillStyle = cssColour("--quiet");
    const every = size >= 16 ? 1 : 2;
    for (let head = 0; head < (site?.heads ?? 0); head += every)
      context.fillText(String(head), left(head) + size / 2, NAMES / 2);
  }

  /**
   * Over the heads that share keys and values, what they share.
   *
   * @param {Look["site"]} site
   * @param {boolean} shared
   * @param {(column: number) => number} left of a thumbnail
   * @param {number} size of it
   */
  brackets(site, shared, left, size) {
    const groups = shared ? groupsOf(site) : [];
    byId("groups").replaceChildren(
      ...groups.map(({ group, first, last }) => {
        const title = groupName(site, group);
        const width = left(last) + size - left(first);
        const name = width >= 7 * title.length ? title : t("groupShort", { group });
        const node = element("div", { class: "group", title }, element("span", {}, name));
        node.style.left = `${left(first)}px`;
        node.style.width = `${width}px`;
        return node;
      }),
    );
  }

  /**
   * What draws one thumbnail at its own resolution.
   *
   * @param {Look} look
   * @returns {((layer: number, head: number) => HTMLCanvasElement) | null}
   */
  painter({ thumbnails, near, palette, theme, scale, codes: values, unit }) {
    if (!thumbnails) return null;
    const { shape, codes } = thumbnails;
    const [, heads, rows, cols] = shape;
    const colours = new Uint32Array(lookupTable(values, palette, theme, scale, undefined, unit).buffer);
    const canvas = document.createElement("canvas");
    const context = contextOf(canvas);
    return (layer, head) => {
      const local = near?.get(nameOf({ layer, head }));
      [canvas.width, canvas.height] = local ? [NEAR, NEAR] : [cols, rows];
      const start = (layer * heads + head) * rows * cols;
      const drawn = local ?? codes.subarray(start, start + rows * cols);
      const image = context.createImageData(canvas.width, canvas.height);
      const pixels = new Uint32Array(image.data.buffer);
      for (let cell = 0; cell < pixels.length; cell++) pixels[cell] = colours[drawn[cell]];
      context.putImageData(image, 0, 0);
      return canvas;
    };
  }

  /** @param {Look} look @param {(Head & Partial<Look["rows"][number]>)[]} order @param {Places} places @param {number} size */
  options({ site, sort, rail, near }, order, places, size) {
    const { layers, heads } = site;
    this.list.setAttribute("aria-label", t("headsLabel", { site: siteName(site.name), layers, heads }));
    this.list.replaceChildren(
      ...order.map((row, index) => {
        const of = grouped(site) ? ` · ${groupName(site, groupOf(site, row.head))}` : "";
        const name = t("headName", { layer: row.layer, head: row.head }) + of;
        const figures = [...new Set([sort, rail ? "effect" : ""])].map((measure) => said(row, measure));
        const label = [name, ...figures, kindsSaid(row)].join("");
        const part = near?.has(nameOf(row)) ? ` · ${t("nearOnly", { n: NEAR })}` : "";
        const option = element("div", {
          class: "head",
          role: "option",
          id: `head-${row.layer}-${row.head}`,
          title: label + part,
          "aria-label": label,
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
    if (document.getElementById(`head-${layer}-${head}`)?.getAttribute("aria-selected") === "true") return;
    for (const option of this.list.children) option.setAttribute("aria-selected", "false");
    const chosen = document.getElementById(`head-${layer}-${head}`);
    if (!chosen) return;
    chosen.setAttribute("aria-selected", "true");
    this.list.setAttribute("aria-activedescendant", chosen.id);
    this.reveal();
  }

  /** Scrolls to the chosen head. */
  scroll() {
    const chosen = document.getElementById(this.list.getAttribute("aria-activedescendant") ?? "");
    if (!chosen) return;
    const room = byId("grid-room");
    const above = byId("atlas").offsetTop; // the names stay in view, over what scrolls
    const low = chosen.offsetTop + chosen.offsetHeight + above - room.clientHeight + RING;
    room.scrollTop = Math.min(Math.max(room.scrollTop, low), chosen.offsetTop);
  }
}
