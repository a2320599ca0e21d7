/** Tiles' bytes: a batch's parts, and a view's pixels from codes. No document here. */

import { blocksAt, SIDE, tilesIn } from "./levels.js";

/** @typedef {import("../geometry.js").View} View */
/** @typedef {import("./levels.js").Spot} Spot */
/** @typedef {{codes: Uint8Array | null, rows: number, cols: number}} Tile row-major; null: every block is masked */
/** @typedef {Spot & {tile: Tile}} Found a tile, and where in the pyramid it stands */

/**
 * The parts of a batch of tiles.
 *
 * @param {ArrayBuffer} buffer a little-endian uint32, so many bytes of JSON, then the tiles one after the other
 * @returns {{row: number, col: number, tile: Tile}[]}
 * @throws {Error} fewer bytes than the batch says
 */
export function parseBatch(buffer) {
  const cut = new Error("the tiles are cut short");
  if (buffer.byteLength < 4) throw cut;
  const length = new DataView(buffer).getUint32(0, true);
  if (buffer.byteLength < 4 + length) throw cut;
  const { tiles } = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  let at = 4 + length;
  return tiles.map(({ row, col, shape: [rows, cols], bytes }) => {
    if (buffer.byteLength < at + bytes || (bytes !== 0 && bytes !== rows * cols)) throw cut;
    // A copy of its own, so that a tile that stays does not keep the whole batch.
    const codes = bytes === 0 ? null : new Uint8Array(buffer.slice(at, at + bytes));
    at += bytes;
    return { row, col, tile: { codes, rows, cols } };
  });
}

/** @param {Uint8ClampedArray} table RGBA of each code @returns {Uint32Array} the same, a pixel each */
export const pixelsOf = (table) => new Uint32Array(table.buffer, table.byteOffset, table.length / 4);

/** @returns {Int32Array} the block under the middle of each pixel along an axis */
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
 * @param {[number, number]} what.shape of the map
 * @param {(spot: Spot) => Found | null} what.find a tile or one over it
 * @param {Uint32Array} what.colours of the 256 codes
 * @param {number} what.unknown the colour of what has not arrived
 * @returns {boolean} whether every tile in view was there itself
 */
export function compose({ pixels, width, height, view, level, shape, find, colours, unknown }) {
  const [indices, complete] = [new Map(), []];
  const under = (at) => {
    if (!indices.has(at)) indices.set(at, [blocksUnder(view.y, height, at), blocksUnder(view.x, width, at)]);
    return indices.get(at);
  };
  const reach = ([low, high], pixels, from, count) => {
    const place = (cell) =>
      Math.min(Math.max(Math.ceil(((cell - low - 0.5) / (high - low)) * pixels - 0.5), 0), pixels);
    return [place(from), place(from + count)];
  };
  pixels.fill(0);
  const side = SIDE * 2 ** level;
  for (const spot of tilesIn(view, level, shape)) {
    const [top, bottom] = reach(view.y, height, spot.row * side, Math.min(side, shape[0] - spot.row * side));
    const [left, right] = reach(view.x, width, spot.col * side, Math.min(side, shape[1] - spot.col * side));
    const found = find(spot);
    complete.push(found?.level === level);
    const codes = found?.tile.codes;
    if (!codes) {
      if (!found) for (let y = top; y < bottom; y++) pixels.fill(unknown, y * width + left, y * width + right);
      continue; // masked whole: a hole, as it was
    }
    const [rows, cols] = under(found.level);
    const origin = found.row * SIDE * found.tile.cols + found.col * SIDE;
    for (let y = top; y < bottom; y++) {
      const start = y * width;
      if (y > top && rows[y] === rows[y - 1]) {
        pixels.copyWithin(start + left, start - width + left, start - width + right);
        continue;
      }
      const line = rows[y] * found.tile.cols - origin;
      for (let x = left; x < right; x++) pixels[start + x] = colours[codes[line + cols[x]]];
    }
  }
  return complete.every(Boolean);
}

/** @param {Found} found @returns {number} the code of the block that a cell lies in */
export function codeAt({ tile, level, row: down, col: right }, row, col) {
  if (!tile.codes) return 0;
  const side = 2 ** level;
  return tile.codes[(Math.floor(row / side) - down * SIDE) * tile.cols + Math.floor(col / side) - right * SIDE];
}

/**
 * The part of a level that a view shows, as one array.
 *
 * @param {[number, number]} rows half open, in cells
 * @param {[number, number]} cols
 * @param {(spot: Spot) => Found | null} find
 * @param {ArrayLike<number>} weights of each code
 * @returns {{rows: number, cols: number, row: number, col: number, weights: Float32Array} | null} the first block's
 *   place in blocks, weights with NaN where masked; null where a tile is not there
 */
export function blocks(rows, cols, level, shape, find, weights) {
  const side = 2 ** level;
  const [row, col] = [Math.floor(rows[0] / side), Math.floor(cols[0] / side)];
  const height = Math.min(Math.ceil(rows[1] / side), blocksAt(shape[0], level)) - row;
  const width = Math.min(Math.ceil(cols[1] / side), blocksAt(shape[1], level)) - col;
  const data = new Float32Array(height * width);
  const tiles = new Map();
  for (let i = 0; i < height; i++) {
    for (let j = 0; j < width; j++) {
      const spot = { level, row: Math.floor((row + i) / SIDE), col: Math.floor((col + j) / SIDE) };
      const name = `${spot.row}/${spot.col}`;
      if (!tiles.has(name)) tiles.set(name, find(spot));
      const found = tiles.get(name);
      if (found?.level !== level) return null;
      data[i * width + j] = weights[codeAt(found, (row + i) * side, (col + j) * side)];
    }
  }
  return { rows: height, cols: width, row, col, weights: data };
}
