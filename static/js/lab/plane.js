/** A plane of two dimensions with arrows on it, some of which a reader moves by pointer or by arrow keys. */

import { t } from "../text/i18n.js";
import { said } from "./numbers.js";
import { set, svg } from "./svg.js";

const SIZE = 320; // of the drawing
export const REACH = 2; // the plane goes from -2 to 2
const STEP = 0.1; // of a key press, and of what is dragged
const LARGE = 0.5; // with Shift
const HEAD = 9; // length of an arrow's head
/** @type {Record<string, [number, number]>} */
const KEYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

/** @param {number[]} place @returns {[number, number]} on the drawing */
const drawn = ([x, y]) => [(SIZE / 2) * (1 + x / REACH), (SIZE / 2) * (1 - y / REACH)];

/** A place on the grid of moves, within reach. @param {number} x */
const snapped = (x) => Math.round(Math.min(Math.max(x, -REACH), REACH) / STEP) / Math.round(1 / STEP);

/** @param {string} name "k1" @returns {string} with the number below */
export const written = (name) => name.replace(/\d/, (digit) => "₀₁₂₃₄₅₆₇₈₉"[Number(digit)]);

export class Plane {
  /** @param {(name: string, place: number[]) => void} changed */
  constructor(changed) {
    this.changed = changed;
    this.root = svg("svg", { class: "plane", viewBox: `0 0 ${SIZE} ${SIZE}`, role: "group" });
    const lines = [];
    for (let at = 1 - REACH; at < REACH; at += 1) {
      const [x, y] = drawn([at, at]);
      const axis = at === 0 ? "axis" : "grid";
      lines.push(svg("path", { class: axis, d: `M${x} 0V${SIZE}M0 ${y}H${SIZE}` }));
    }
    this.under = svg("g", { "aria-hidden": "true" }, ...lines);
    this.chain = svg("path", { class: "chain", "aria-hidden": "true" });
    this.root.append(this.under, this.chain);
    /** @type {Map<string, {root: SVGGElement, place: number[]}>} */
    this.arrows = new Map();
  }

  /**
   * An arrow from the middle, made once and then moved.
   *
   * @param {string} name
   * @param {number[]} place
   * @param {{width?: number, lit?: boolean, moved?: boolean}} [how] lit: in the accent; moved: by the reader
   */
  arrow(name, place, { width = 2, lit = false, moved = false } = {}) {
    const known = this.arrows.get(name);
    const root = known?.root ?? this.made(name, lit, moved);
    const [x, y] = drawn(place);
    const [ox, oy] = drawn([0, 0]);
    const length = Math.hypot(x - ox, y - oy);
    const [ux, uy] = length ? [(x - ox) / length, (y - oy) / length] : [0, 0];
    const back = Math.min(length, HEAD);
    const half = HEAD / 2.5 + width / 4;
    const [bx, by] = [x - ux * back, y - uy * back];
    const [line, head, label, grip, ring] = root.children;
    set(line, { d: `M${ox} ${oy}L${bx} ${by}`, "stroke-width": width.toFixed(2) });
    set(head, { d: `M${x} ${y}L${bx - uy * half} ${by + ux * half}L${bx + uy * half} ${by - ux * half}Z` });
    const left = ux < -0.2 || (ux === 0 && x > SIZE / 2);
    set(label, { x: Math.min(Math.max(x + (left ? -20 : 8), 4), SIZE - 20), y: Math.min(Math.max(y - 8 * (uy > 0.5 ? -2 : 1), 14), SIZE - 6) });
    if (moved) {
      set(grip, { cx: x, cy: y });
      set(ring, { cx: x, cy: y });
      const [px, py] = place.map((each) => said(each, 2));
      set(root, {
        "aria-label": t("labVector", { name: written(name) }),
        "aria-valuenow": place[0],
        "aria-valuetext": t("labPlace", { x: px, y: py }),
      });
    }
    this.arrows.set(name, { root, place });
  }

  /** @param {string} name @param {boolean} lit @param {boolean} moved */
  made(name, lit, moved) {
    const kind = `${moved ? "handle" : ""} ${lit ? "lit" : ""}`.trim();
    const label = svg("text", { "aria-hidden": "true" });
    label.textContent = written(name);
    const root = svg("g", { class: kind, "data-vector": name }, svg("path", { class: "arrow" }), svg("path", { class: "arrow-head" }), label);
    this.root.append(root);
    if (!moved) return root;
    root.append(svg("circle", { class: "grip", r: 22 }), svg("circle", { class: "ring", r: 12 }));
    set(root, { role: "slider", tabindex: 0, "aria-valuemin": -REACH, "aria-valuemax": REACH });
    root.addEventListener("pointerdown", (event) => {
      root.setPointerCapture(event.pointerId);
      root.focus({ preventScroll: true });
      event.preventDefault();
    });
    root.addEventListener("pointermove", (event) => {
      if (!root.hasPointerCapture(event.pointerId)) return;
      const box = this.root.getBoundingClientRect();
      const x = (2 * REACH * (event.clientX - box.left)) / box.width - REACH;
      const y = REACH - (2 * REACH * (event.clientY - box.top)) / box.height;
      this.changed(name, [snapped(x), snapped(y)]);
    });
    root.addEventListener("keydown", (event) => {
      const way = KEYS[event.key];
      if (!way) return;
      event.preventDefault();
      const step = event.shiftKey ? LARGE : STEP;
      const place = this.arrows.get(name)?.place ?? [0, 0];
      this.changed(name, place.map((each, at) => snapped(each + step * way[at])));
    });
    return root;
  }

  /** A broken line from the middle through places: the parts of a sum, one after the other. @param {number[][]} places */
  join(places) {
    this.root.append(this.chain); // above what it is the sum of
    set(this.chain, { d: `M${[[0, 0], ...places].map((place) => drawn(place).map((each) => each.toFixed(1)).join(" ")).join("L")}` });
  }
}
