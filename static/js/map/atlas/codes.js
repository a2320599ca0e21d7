/** A view's pixels, and a window's numbers, from tiles' codes. No document here. */

import { blocksAt, SIDE, tilesIn } from "./levels.js";

/** @typedef {import("../geometry.js").View} View */
/** @typedef {import("./levels.js").Spot} Spot */
/** @typedef {import("../../source/tiles.js").Tile} Tile */
/** @typedef {import("../../types.js").Range} Range */
/** @typedef {import("../../types.js").Shape} Shape */
/**
 * @typedef {{rows: number, cols: number, row: number, col: number, weights: Float32Array}} Blocks so many rows and columns
 *   of blocks, from that row and column of blocks on; NaN where masked
 */
/** @typedef {Spot & {tile: Tile}} PlacedTile a tile, and where in the pyramid it stands */

/** @param {Uint8ClampedArray} table RGBA of each code @returns {Uint32Array} the same, a pixel each */
export const pixelsOf = (table) => new Uint32Array(table.buffer, table.byteOffset, table.length / 4);

/** A colour of the style sheet as a pixel of an ImageData. @param {string} colour #rrggbb */
export function pixelOf(colour) {
  const [r, g, b] = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
  return ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;
}

/**
 * The block under the middle of each pixel along an axis.
 *
 * @param {[number, number]} stretch in cells
 * @param {number} pixels
 * @param {number} level
 */
function blocksUnder([low, high], pixels, level) {
  const [step, side] = [(high - low) / pixels, 2 ** level];
  return Int32Array.from({ length: pixels }, (_, p) => Math.floor((low + 0.5 + (p + 0.5) * step) / side));
}

/**
 * Draws a view, tile by tile, each from the best that is at hand.
 *
 * @param {object} what
 * @param {Uint32Array} what.pixels width * height, row-major; all of them are written
 * @param {number} what.width
 * @param {number} what.height
 * @param {View} what.view
 * @param {number} what.level
 * @param {Shape} what.shape of the map
 * @param {(spot: Spot) => PlacedTile | null} what.find a tile or one over it
 * @param {Uint32Array} what.colours of the 256 codes
 * @param {number} what.unknown the colour of what has not arrived
 * @returns {boolean} whether every tile in view was there itself
 */
export function compose({ pixels, width, height, view, level, shape, find, colours, unknown }) {
  /** @type {Map<number, [Int32Array, Int32Array]>} of each level, the blocks under the rows and columns of pixels */
  const indices = new Map();
  let complete = true;
  /** @param {number} at a level @returns {[Int32Array, Int32Array]} */
  const under = (at) => {
    const known = indices.get(at) ?? [blocksUnder(view.y, height, at), blocksUnder(view.x, width, at)];
    indices.set(at, known);
    return known;
  };
  /** @param {[number, number]} stretch @param {number} length in pixels @param {number} from @param {number} count */
  const reach = ([low, high], length, from, count) => {
    /** @param {number} cell */
    const place = (cell) =>
      Math.min(Math.max(Math.ceil(((cell - low - 0.5) / (high - low)) * length - 0.5), 0), length);
    return [place(from), place(from + count)];
  };
  pixels.fill(0);
  const side = SIDE * 2 ** level;
  for (const spot of tilesIn(view, level, shape)) {
    const [top, bottom] = reach(view.y, height, spot.row * side, Math.min(side, shape[0] - spot.row * side));
    const [left, right] = reach(view.x, width, spot.col * side, Math.min(side, shape[1] - spot.col * side));
    const nearest = find(spot);
    complete &&= nearest?.level === level;
    const codes = nearest?.tile.codes;
    if (!codes) {
      if (!nearest) for (let y = top; y < bottom; y++) pixels.fill(unknown, y * width + left, y * width + right);
      continue; // masked whole: a hole, as it was
    }
    const [rows, cols] = under(nearest.level);
    const origin = nearest.row * SIDE * nearest.tile.cols + nearest.col * SIDE;
    for (let y = top; y < bottom; y++) {
      const start = y * width;
      if (y > top && rows[y] === rows[y - 1]) {
        pixels.copyWithin(start + left, start - width + left, start - width + right);
        continue;
      }
      const line = rows[y] * nearest.tile.cols - origin;
      for (let x = left; x < right; x++) pixels[start + x] = colours[codes[line + cols[x]]];
    }
  }
  return complete;
}

/** The code of the block that a cell lies in. @param {PlacedTile} placed @param {number} row @param {number} col */
export function codeAt({ tile, level, row: down, col: right }, row, col) {
  if (!tile.codes) return 0;
  const side = 2 ** level;
  return tile.codes[(Math.floor(row / side) - down * SIDE) * tile.cols + Math.floor(col / side) - right * SIDE];
}

/**
 * The part of a level that a view shows, as one array.
 *
 * @param {Range} rows in cells
 * @param {Range} cols
 * @param {number} level
 * @param {Shape} shape of the map
 * @param {(spot: Spot) => PlacedTile | null} find
 * @param {ArrayLike<number>} weights of each code
 * @returns {Blocks | null} null where a tile is not there
 */
export function blocks(rows, cols, level, shape, find, weights) {
  const side = 2 ** level;
  const [row, col] = [Math.floor(rows[0] / side), Math.floor(cols[0] / side)];
  const height = Math.min(Math.ceil(rows[1] / side), blocksAt(shape[0], level)) - row;
  const width = Math.min(Math.ceil(cols[1] / side), blocksAt(shape[1], level)) - col;
  const data = new Float32Array(height * width);
  /** @type {Map<string, PlacedTile | null>} */
  const tiles = new Map();
  for (let i = 0; i < height; i++) {
    for (let j = 0; j < width; j++) {
      const spot = { level, row: Math.floor((row + i) / SIDE), col: Math.floor((col + j) / SIDE) };
      const name = `${spot.row}/${spot.col}`;
      if (!tiles.has(name)) tiles.set(name, find(spot));
      const placed = tiles.get(name);
      if (placed?.level !== level) return null;
      data[i * width + j] = weights[codeAt(placed, (row + i) * side, (col + j) * side)];
    }
  }
  return { rows: height, cols: width, row, col, weights: data };
}
