/** One map of a comparison, on a canvas of its own: cells with hard edges, labels as far as they have room. */

import { t } from "../../text/i18n.js";
import { cellAt, cellBox, plotBox, ticks, viewOf } from "../../map/geometry.js";
import { label, wideAs } from "../../text/labels.js";
import { contextOf, cssColour, element, onceAFrame, placeOver, sharpContext } from "../../views/dom.js";
import { FOLDED } from "../../views/narrow.js";

/** @typedef {import("../../types.js").Axis} Axis */
/** @typedef {import("../../types.js").Cell} Cell */
/** @typedef {import("../../types.js").Range} Range */
/**
 * @typedef {object} Sheet blocks of side x side cells, row-major; NaN: masked, or there is nothing to compare
 * @property {Float32Array} values
 * @property {Range} rows that it covers
 * @property {Range} cols
 * @property {number} side
 *
 * @typedef {object} Drawn
 * @property {Sheet} sheet
 * @property {Range} rows in view
 * @property {Range} cols
 * @property {Axis} queries
 * @property {Axis} keys
 * @property {(value: number) => number[]} colour [r, g, b]
 * @property {{left: number, top: number}} margin pixels that labels take
 * @property {"hatch" | "plain"} ground what stands where there is no value
 *
 * @typedef {object} Gestures
 * @property {(cell: Cell | null, event: PointerEvent) => void} hover
 * @property {(cell: Cell) => void} choose
 * @property {(factor: number, at: [number, number]) => void} zoom about a point: column and row
 * @property {(cols: number, rows: number, done: boolean) => void} pan by so many cells since the drag began
 * @property {() => void} reset
 */

const CHARACTER = 7; // pixels of the labels' face
const LONGEST = 12; // characters of a label
const LABEL = 14;
const HATCH = 10; // pixels from line to line
const STEP = 0.7; // of the view remains after one turn of the wheel
const SLIP = 4; // pixels under which a press is a click

/** The blocks of a length along an axis. @param {Range} part @param {number} side */
export const blocksOf = ([start, stop], side) => Math.ceil((stop - start) / side);

/** The value over a cell; NaN outside. @param {Sheet} sheet @param {number} row @param {number} col */
export function valueAt({ values, rows, cols, side }, row, col) {
  if (row < rows[0] || row >= rows[1] || col < cols[0] || col >= cols[1]) return NaN;
  return values[Math.floor((row - rows[0]) / side) * blocksOf(cols, side) + Math.floor((col - cols[0]) / side)];
}

export class Picture {
  /** @param {string} name of its class @param {Gestures} on */
  constructor(name, on) {
    this.on = on;
    this.title = element("span", { class: "compare-name" });
    this.canvas = element("canvas", { role: "img", "aria-label": t("view_compare") });
    this.band = element("div", { class: "compare-row", hidden: true });
    this.beam = element("div", { class: "compare-col", hidden: true });
    this.kept = element("div", { class: "chosen-cell", hidden: true });
    this.room = element("div", { class: "compare-room" }, this.canvas, this.band, this.beam, this.kept);
    this.root = element("figure", { class: `compare-picture ${name}` }, element("figcaption", { class: "compare-title" }, this.title), this.room);
    /** @type {Drawn | null} */
    this.drawn = null;
    /** @type {import("../../map/geometry.js").Box | null} */
    this.box = null;
    /** @type {Cell | null} */
    this.pointed = null;
    /** @type {Cell | null} */
    this.chosen = null;
    /** @type {[number, number] | null} where a press began */
    this.pressed = null;
    this.dragging = false;
    this.width = 0;
    const again = onceAFrame(() => this.draw());
    new ResizeObserver(() => this.room.clientWidth !== this.width && again()).observe(this.room);
    window.addEventListener("resize", again);
    this.listen();
  }

  listen() {
    const { canvas } = this;
    canvas.addEventListener("pointermove", (event) => this.move(event));
    canvas.addEventListener("pointerleave", (event) => this.on.hover(null, event));
    canvas.addEventListener("pointerdown", (event) => {
      if (event.pointerType === "touch" || event.button) return;
      this.pressed = [event.clientX, event.clientY];
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointerup", (event) => {
      if (this.dragging) this.drag(event, true);
      this.pressed = null;
    });
    canvas.addEventListener("click", (event) => {
      const cell = this.dragging ? null : this.under(event);
      this.dragging = false;
      if (cell) this.on.choose(cell);
    });
    canvas.addEventListener("dblclick", () => this.on.reset());
    canvas.addEventListener(
      "wheel",
      (event) => {
        const cell = this.under(event);
        if (!cell || !event.deltaY) return;
        event.preventDefault();
        this.on.zoom(event.deltaY < 0 ? STEP : 1 / STEP, [cell.col, cell.row]);
      },
      { passive: false },
    );
  }

  /** @param {PointerEvent} event */
  move(event) {
    if (this.pressed && event.buttons) {
      const [x, y] = this.pressed;
      this.dragging ||= Math.hypot(event.clientX - x, event.clientY - y) > SLIP;
      if (this.dragging) return this.drag(event, false);
    }
    this.on.hover(event.pointerType === "touch" ? null : this.under(event), event);
  }

  /** @param {PointerEvent} event @param {boolean} done */
  drag(event, done) {
    const { box, drawn, pressed } = this;
    if (!box || !drawn || !pressed) return;
    const cols = ((pressed[0] - event.clientX) / box.width) * (drawn.cols[1] - drawn.cols[0]);
    const rows = ((pressed[1] - event.clientY) / box.height) * (drawn.rows[1] - drawn.rows[0]);
    this.on.pan(Math.round(cols), Math.round(rows), done);
  }

  /** @param {MouseEvent} event @returns {Cell | null} */
  under(event) {
    const { box, drawn } = this;
    if (!box || !drawn) return null;
    const { left, top } = this.canvas.getBoundingClientRect();
    const { rows, cols, queries, keys } = drawn;
    const shape = /** @type {const} */ ([queries.labels.length, keys.labels.length]);
    return cellAt(box, viewOf(rows, cols), event.clientX - left, event.clientY - top, ...shape);
  }

  /** @param {Drawn} drawn @param {string} title */
  show(drawn, title) {
    this.drawn = drawn;
    this.title.textContent = this.title.title = title;
    this.canvas.setAttribute("aria-label", title);
    this.draw();
  }

  /** Pixels that the labels of a view would take. @param {Pick<Drawn, "rows" | "cols" | "queries" | "keys">} view */
  margins({ rows, cols, queries, keys }) {
    /** @param {Axis} axis @param {Range} part */
    const longest = (axis, [start, stop]) => {
      let most = 2;
      for (let at = start; at < stop; at += Math.max(1, Math.floor((stop - start) / 256)))
        most = Math.max(most, wideAs(short(axis, at)));
      return most * CHARACTER + 8;
    };
    return { left: longest(queries, rows), top: longest(keys, cols) };
  }

  draw() {
    const { drawn, room } = this;
    room.style.minHeight = "";
    this.width = room.clientWidth;
    if (!drawn || !this.width) return;
    const { rows, cols, sheet } = drawn;
    const size = { width: this.width, height: FOLDED.matches ? 1.2 * this.width : room.clientHeight };
    const margin = { ...drawn.margin, right: 4, bottom: 4 };
    const box = (this.box = plotBox(size, margin, rows[1] - rows[0], cols[1] - cols[0]));
    const height = box.top + box.height + margin.bottom;
    room.style.minHeight = `${height}px`; // labels keep their room; the view scrolls where it has less
    const context = sharpContext(this.canvas, size.width, height);
    const image = this.image(drawn);
    const wide = blocksOf(sheet.cols, sheet.side);
    const high = blocksOf(sheet.rows, sheet.side);
    // The blocks at the map's end may be cut: they are drawn over its edge, and what lies beyond is clipped.
    context.save();
    context.beginPath();
    context.rect(box.left, box.top, box.width, box.height);
    context.clip();
    context.fillStyle = cssColour(drawn.ground === "hatch" ? "--page" : "--sunken");
    context.fillRect(box.left, box.top, box.width, box.height);
    if (drawn.ground === "hatch") hatch(context, box);
    context.imageSmoothingEnabled = false;
    const [across, down] = [box.width / (cols[1] - cols[0]), box.height / (rows[1] - rows[0])];
    context.drawImage(
      image,
      box.left + (sheet.cols[0] - cols[0]) * across,
      box.top + (sheet.rows[0] - rows[0]) * down,
      wide * sheet.side * across,
      high * sheet.side * down,
    );
    context.restore();
    context.strokeStyle = cssColour("--line");
    context.strokeRect(box.left - 0.5, box.top - 0.5, box.width + 1, box.height + 1);
    this.labels(context, drawn, box);
    this.mark();
  }

  /** One pixel a block. @param {Drawn} drawn */
  image({ sheet, colour }) {
    const canvas = document.createElement("canvas");
    canvas.width = blocksOf(sheet.cols, sheet.side);
    canvas.height = blocksOf(sheet.rows, sheet.side);
    const context = contextOf(canvas);
    const image = context.createImageData(canvas.width, canvas.height);
    sheet.values.forEach((value, at) => {
      if (!Number.isNaN(value)) image.data.set([...colour(value), 255], 4 * at);
    });
    context.putImageData(image, 0, 0);
    return canvas;
  }

  /** @param {CanvasRenderingContext2D} context @param {Drawn} drawn @param {import("../../map/geometry.js").Box} box */
  labels(context, { rows, cols, queries, keys, margin }, box) {
    const view = viewOf(rows, cols);
    context.font = `12px ${cssColour("--mono") || "monospace"}`;
    context.fillStyle = cssColour("--text");
    context.textBaseline = "middle";
    context.textAlign = "right";
    for (const row of margin.left < LABEL ? [] : ticks(view.y, queries.labels.length, box.height, LABEL))
      context.fillText(short(queries, row), box.left - 6, box.top + ((row - view.y[0]) / (view.y[1] - view.y[0])) * box.height);
    context.textAlign = "left";
    for (const col of ticks(view.x, keys.labels.length, box.width, LABEL)) {
      context.save();
      context.translate(box.left + ((col - view.x[0]) / (view.x[1] - view.x[0])) * box.width, box.top - 6);
      context.rotate(-Math.PI / 2);
      context.fillText(short(keys, col), 0, 0);
      context.restore();
    }
  }

  /** What is pointed at in any of the pictures, as this one has it. @param {Cell | null} cell */
  point(cell) {
    this.pointed = cell;
    this.mark();
  }

  /** @param {Cell | null} cell */
  keep(cell) {
    this.chosen = cell;
    this.mark();
  }

  mark() {
    const { box, drawn, pointed, chosen } = this;
    /** @param {HTMLElement} node @param {import("../../map/geometry.js").Box | null} place */
    const put = (node, place) => placeOver(node, place && place.width >= 0.5 && place.height >= 0.5 ? place : null);
    if (!box || !drawn) return [this.band, this.beam, this.kept].forEach((node) => put(node, null));
    const view = viewOf(drawn.rows, drawn.cols);
    const row = pointed && pointed.row >= 0 ? cellBox(box, view, pointed.row, drawn.cols[0]) : null;
    const col = pointed && pointed.col >= 0 ? cellBox(box, view, drawn.rows[0], pointed.col) : null;
    put(this.band, row?.height ? { ...row, left: box.left, width: box.width } : null);
    put(this.beam, col?.width ? { ...col, top: box.top, height: box.height } : null);
    put(this.kept, chosen && chosen.row >= 0 && chosen.col >= 0 ? cellBox(box, view, chosen.row, chosen.col) : null);
  }
}

/** Lines, which tell what is masked from a zero. @param {CanvasRenderingContext2D} context @param {import("../../map/geometry.js").Box} box */
function hatch(context, { left, top, width, height }) {
  context.strokeStyle = cssColour("--hatch");
  context.beginPath();
  for (let at = -height; at < width; at += HATCH) {
    context.moveTo(left + at, top);
    context.lineTo(left + at + height, top + height);
  }
  context.stroke();
}

/** A token's label, shortened. @param {Axis} axis @param {number} at */
function short(axis, at) {
  const text = [...label(axis, at)];
  return text.length > LONGEST ? `${text.slice(0, LONGEST - 1).join("")}…` : text.join("");
}
