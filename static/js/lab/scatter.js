/** Points over two numbers, drawn in SVG; the one at the pointer is told below. */

import { element, onceAFrame } from "../views/dom.js";
import { round, short } from "./axis.js";
import { svg } from "./svg.js";

/**
 * @typedef {object} Cloud
 * @property {string} title
 * @property {string} x what the axes are of; both begin at 0
 * @property {string} y
 * @property {[number, number][]} points
 * @property {string} hint
 * @property {(at: number) => string} tell a point in words
 * @property {string} label of the drawing, for who does not see it
 */

const HEIGHT = 280; // pixels
const ROOM = { left: 56, right: 24, top: 12, bottom: 40 };
const NEAR = 16; // pixels from the pointer

export class Scatter {
  constructor() {
    this.title = element("h3", { class: "caption" });
    this.box = element("div", { class: "scatter-box" });
    this.line = element("p", { class: "small tabular pointed" });
    this.root = element("figure", { class: "chart measured" }, this.title, this.box, this.line);
    /** @type {Cloud | null} */
    this.cloud = null;
    /** @type {[number, number][]} in pixels */
    this.places = [];
    for (const name of /** @type {const} */ (["pointermove", "pointerdown"])) this.box.addEventListener(name, (event) => this.point(event));
    new ResizeObserver(onceAFrame(() => this.draw())).observe(this.box);
  }

  /** @param {Cloud} cloud */
  show(cloud) {
    this.cloud = cloud;
    this.title.textContent = cloud.title;
    this.line.textContent = cloud.hint;
    this.draw();
  }

  draw() {
    const { cloud } = this;
    const width = this.box.clientWidth;
    if (!cloud || !width) return;
    const [right, bottom] = [width - ROOM.right, HEIGHT - ROOM.bottom];
    const most = [0, 1].map((side) => Math.max(...cloud.points.map((point) => point[side]), Number.MIN_VALUE));
    const placeX = (/** @type {number} */ x) => ROOM.left + ((right - ROOM.left) * x) / most[0];
    const placeY = (/** @type {number} */ y) => bottom - ((bottom - ROOM.top) * y) / most[1];
    const parts = [];
    for (const tick of round(0, most[1])) {
      const y = placeY(tick);
      parts.push(svg("path", { class: "grid", d: `M${ROOM.left} ${y.toFixed(1)}H${right}` }), svg("text", { x: ROOM.left - 8, y: y + 4, "text-anchor": "end" }, short(tick)));
    }
    for (const tick of round(0, most[0])) parts.push(svg("text", { x: placeX(tick), y: bottom + 18, "text-anchor": "middle" }, short(tick)));
    parts.push(svg("text", { class: "axis-title", x: (ROOM.left + right) / 2, y: HEIGHT - 4, "text-anchor": "middle" }, cloud.x));
    parts.push(svg("text", { class: "axis-title", x: ROOM.left + 4, y: ROOM.top + 4 }, cloud.y));
    this.places = cloud.points.map(([x, y]) => [placeX(x), placeY(y)]);
    for (const [at, [x, y]] of this.places.entries()) parts.push(svg("circle", { class: "point", cx: x.toFixed(1), cy: y.toFixed(1), r: 4, "data-at": at }));
    this.box.replaceChildren(svg("svg", { class: "lines", width, height: HEIGHT, role: "img", "aria-label": cloud.label }, ...parts));
  }

  /** @param {PointerEvent} event */
  point({ clientX, clientY }) {
    const { left, top } = this.box.getBoundingClientRect();
    const far = this.places.map(([x, y]) => Math.hypot(x - clientX + left, y - clientY + top));
    const at = far.indexOf(Math.min(...far));
    const near = far[at] <= NEAR;
    for (const node of this.box.querySelectorAll(".point")) node.classList.toggle("at", near && node.getAttribute("data-at") === String(at));
    if (this.cloud) this.line.textContent = near ? this.cloud.tell(at) : this.cloud.hint;
  }
}
