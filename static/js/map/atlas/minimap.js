/** The whole map, small, with a frame around what is in view; dragging the frame moves the view. */

import { byId, contextOf, cssColour, sharpContext } from "../../views/dom.js";
import { insideMap } from "../geometry.js";

/** @typedef {import("../geometry.js").View} View */
/** @typedef {import("../../source/tiles.js").Tile} Tile */
/** @typedef {import("../../types.js").Shape} Shape */

export const SIZE = 112; // pixels of its longer side
const LEAST_SIDE = 16;
const LEAST_FRAME = 5; // pixels: a frame around a few cells of many is still seen

/** In pixels. @param {Shape} shape @returns {{width: number, height: number}} */
export function minimapSize([rows, cols]) {
  const scale = SIZE / Math.max(rows, cols);
  /** @param {number} cells */
  const side = (cells) => Math.max(LEAST_SIDE, Math.round(cells * scale));
  return { width: side(cols), height: side(rows) };
}

/**
 * The view moved so that a point of the minimap is its middle.
 *
 * @param {View} view
 * @param {number} x in pixels of the minimap
 * @param {number} y
 * @param {Shape} shape
 */
export function viewAt(view, x, y, shape) {
  const [rows, cols] = shape;
  const { width, height } = minimapSize(shape);
  /** @typedef {import("../geometry.js").Stretch} Stretch */
  /** @param {Stretch} stretch @param {number} at @returns {Stretch} */
  const about = ([low, high], at) => [at - (high - low) / 2, at + (high - low) / 2];
  const middle = { x: (x / width) * cols - 0.5, y: (y / height) * rows - 0.5 };
  return insideMap({ x: about(view.x, middle.x), y: about(view.y, middle.y) }, rows, cols);
}

/** @param {Tile} tile @param {Uint32Array} colours @returns {ImageData} one pixel a block */
export function imageOf({ codes, rows, cols }, colours) {
  const image = new ImageData(cols, rows);
  if (codes) new Uint32Array(image.data.buffer).set(Uint32Array.from(codes, (code) => colours[code]));
  return image;
}

export class Minimap {
  /** @param {(view: View, done: boolean) => void} move */
  constructor(move) {
    this.canvas = byId("minimap");
    this.picture = document.createElement("canvas");
    /** @type {{view: View, shape: Shape, tile: Tile | undefined, colours: Uint32Array} | null} */
    this.shown = null;
    /** @type {{tile: Tile, colours: Uint32Array} | null} what the small picture was made of */
    this.drawn = null;
    /** @param {PointerEvent} event @param {boolean} done */
    const to = (event, done) => {
      if (this.shown) move(viewAt(this.shown.view, event.offsetX, event.offsetY, this.shown.shape), done);
    };
    this.canvas.addEventListener("pointerdown", (event) => {
      this.canvas.setPointerCapture(event.pointerId);
      to(event, false);
    });
    this.canvas.addEventListener("pointermove", (event) => void (event.buttons && to(event, false)));
    this.canvas.addEventListener("pointerup", (event) => to(event, true));
  }

  /**
   * @param {object} what
   * @param {View} what.view
   * @param {Shape} what.shape
   * @param {Tile | undefined} what.tile of the coarsest level
   * @param {Uint32Array} what.colours
   * @param {boolean} what.hidden
   */
  show({ view, shape, tile, colours, hidden }) {
    this.shown = { view, shape, tile, colours };
    this.canvas.hidden = hidden;
    if (hidden) return;
    const { width, height } = minimapSize(shape);
    if (tile && (tile !== this.drawn?.tile || colours !== this.drawn.colours)) {
      [this.picture.width, this.picture.height] = [tile.cols, tile.rows];
      contextOf(this.picture).putImageData(imageOf(tile, colours), 0, 0);
      this.drawn = { tile, colours };
    }
    const context = sharpContext(this.canvas, width, height);
    context.imageSmoothingQuality = "high"; // a hot block among many is dimmed, but not lost
    if (tile) context.drawImage(this.picture, 0, 0, width, height);
    /** @param {import("../geometry.js").Stretch} stretch @param {number} count @param {number} size */
    const along = ([low, high], count, size) => {
      const share = ((high - low) / count) * size;
      const length = Math.max(share, LEAST_FRAME);
      const start = ((low + 0.5) / count) * size - (length - share) / 2;
      return [Math.min(Math.max(start, 0), size - length), length];
    };
    const [left, wide] = along(view.x, shape[1], width);
    const [top, high] = along(view.y, shape[0], height);
    context.lineWidth = 1.5;
    context.strokeStyle = cssColour("--accent");
    context.strokeRect(left + 0.75, top + 0.75, wide - 1.5, high - 1.5);
  }
}
