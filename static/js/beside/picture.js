/** A picture with its patches lit: the more attention one gets, the more of it shows through the dark. */

import { cssColour, element, sharpContext } from "../views/dom.js";
import { brightness, patchAt, patchBeside, UNLIT } from "./spotlight.js";

/** @typedef {import("../types.js").Axis} Axis */
/** @typedef {import("../types.js").Box} Box */

const DARK = 0.8; // of the page's ink over a patch that gets nothing
const UNSEEN = 0.9; // over what lies outside all patches: the model never saw it
const MANY = 4; // marked patches; more are outlined together
/** @type {Record<string, [number, number]>} */
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export class Picture {
  /**
   * @param {HTMLElement} root
   * @param {{hover: (index: number) => void, leave: () => void, choose: (index: number) => void,
   *   broken: () => void}} on `broken`: the browser cannot show the file
   */
  constructor(root, on) {
    this.on = on;
    this.root = root;
    /** @type {(Box | null)[]} of the axis's entries */
    this.boxes = [];
    /** @type {[number, number]} the picture's width and height, in its own pixels */
    this.size = [1, 1];
    this.width = this.height = 0; // as drawn
    this.at = this.over = -1;
    this.shown = UNLIT;
    this.image = element("img", { alt: "", draggable: false });
    this.canvas = element("canvas", { "aria-hidden": "true" });
    root.append(this.image, this.canvas);
    this.image.addEventListener("load", () => this.draw());
    this.image.addEventListener("error", () => {
      this.image.hidden = true;
      this.on.broken();
      this.draw();
    });
    root.addEventListener("pointermove", (event) => this.pointed(event));
    root.addEventListener("pointerleave", () => {
      this.over = -1; // to come back to the same place is to point at it again
      this.on.leave();
    });
    root.addEventListener("click", (event) => {
      const index = this.under(event);
      if (index >= 0) this.on.choose(index);
    });
    root.addEventListener("keydown", (event) => this.key(event));
    root.addEventListener("focusout", () => this.on.leave());
  }

  /** @param {Axis} axis @param {string | null} url of the pixels; null: there are none here */
  use(axis, url) {
    this.boxes = axis.boxes ?? [];
    this.size = axis.size ?? [1, 1];
    this.at = this.over = -1;
    this.image.hidden = url === null;
    if (url !== null && this.image.src !== url) this.image.src = url;
    this.shown = UNLIT;
  }

  /** @param {number} width of its room @param {number} height */
  fit(width, height) {
    const [wide, high] = this.size;
    const scale = Math.min(width / wide, height / high);
    this.width = Math.max(1, Math.round(wide * scale));
    this.height = Math.max(1, Math.round(high * scale));
    this.root.style.width = `${this.width}px`;
    this.root.style.height = `${this.height}px`;
    this.draw();
  }

  /** @param {import("./spotlight.js").Light} light */
  show(light) {
    this.shown = light;
    this.draw();
  }

  /** Where a patch is drawn, in whole pixels, so that neighbours leave no seam. @param {Box} box @returns {Box | null} */
  place(box) {
    const [wide, high] = this.size;
    const [left, right] = [box[0], box[2]].map((x) => Math.round((x / wide) * this.width));
    const [top, bottom] = [box[1], box[3]].map((y) => Math.round((y / high) * this.height));
    return right > left && bottom > top ? [left, top, right, bottom] : null;
  }

  draw() {
    if (!this.boxes.length || !this.width) return;
    const { light, most, scale } = this.shown;
    const context = sharpContext(this.canvas, this.width, this.height);
    const bare = this.image.hidden === true;
    if (light && !bare) {
      context.fillStyle = `rgb(0 0 0 / ${UNSEEN})`;
      context.fillRect(0, 0, this.width, this.height);
    }
    this.boxes.forEach((box, index) => {
      const place = box && this.place(box);
      if (place) this.patch(context, place, light ? brightness(light[index], most, scale) : null, bare);
    });
    this.outline(context);
  }

  /** Around each marked patch; around all of them where they are many. @param {CanvasRenderingContext2D} context */
  outline(context) {
    const marked = this.shown.marked.map((index) => this.boxes[index]).filter((box) => box !== null);
    const joined = marked.length > MANY ? [union(marked)] : marked;
    for (const box of joined) {
      const place = this.place(box);
      if (!place) continue;
      const [left, top, right, bottom] = place;
      for (const [colour, width] of /** @type {const} */ ([
        ["--page", 4],
        ["--accent", 2],
      ])) {
        context.strokeStyle = cssColour(colour);
        context.lineWidth = width;
        context.strokeRect(left + 1, top + 1, right - left - 2, bottom - top - 2);
      }
    }
  }

  /** @param {CanvasRenderingContext2D} context @param {Box} box @param {number | null} share of the most light @param {boolean} bare */
  patch(context, [left, top, right, bottom], share, bare) {
    context.clearRect(left, top, right - left, bottom - top);
    if (bare) {
      context.fillStyle = cssColour("--sunken");
      context.fillRect(left, top, right - left, bottom - top);
      context.fillStyle = `rgb(${cssColour("--lit")} / ${share ?? 0})`;
      context.fillRect(left, top, right - left, bottom - top);
      context.strokeStyle = cssColour("--line");
      context.lineWidth = 1;
      context.strokeRect(left + 0.5, top + 0.5, right - left, bottom - top);
    } else if (share !== null) {
      context.fillStyle = `rgb(0 0 0 / ${DARK * (1 - share)})`;
      context.fillRect(left, top, right - left, bottom - top);
    }
  }

  /** @param {MouseEvent} event */
  under(event) {
    if (!this.width) return -1;
    const { left, top } = this.root.getBoundingClientRect();
    const [wide, high] = this.size;
    const x = ((event.clientX - left) / this.width) * wide;
    return patchAt(this.boxes, x, ((event.clientY - top) / this.height) * high);
  }

  /** @param {PointerEvent} event */
  pointed(event) {
    const index = this.under(event);
    if (index === this.over) return;
    this.over = this.at = index;
    if (index < 0) this.on.leave();
    else this.on.hover(index);
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const step = ARROWS[event.key];
    if (event.shiftKey || !this.boxes.length || !(step || event.key === "Enter")) return;
    event.preventDefault();
    if (!step) return void (this.at >= 0 && this.on.choose(this.at));
    this.at = patchBeside(this.boxes, this.at, step[0], step[1]);
    this.on.hover(this.at);
  }
}

/** @param {Box[]} boxes @returns {Box} around all of them */
function union(boxes) {
  /** @param {0 | 1 | 2 | 3} at @param {(...values: number[]) => number} pick */
  const side = (at, pick) => pick(...boxes.map((box) => box[at]));
  return [side(0, Math.min), side(1, Math.min), side(2, Math.max), side(3, Math.max)];
}
