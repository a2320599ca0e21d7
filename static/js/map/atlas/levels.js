/** Which level of a map suits a view, and which tiles of it are in view. No document here. */

/** @typedef {import("../geometry.js").Stretch} Stretch */
/** @typedef {import("../geometry.js").View} View */
/** @typedef {import("../../types.js").Shape} Shape */
/** @typedef {import("../../types.js").Site} Site */
/** @typedef {{level: number, row: number, col: number}} Spot a tile's place in the pyramid */

export const SIDE = 256; // blocks a side of a tile, as the summary's `tiles.size` says
const PLAIN = 256; // cells a side that are drawn from the weights themselves
const HELD = 1 << 22; // cells of a map that the page holds whole: 16 MB
export const MANY_KEYS = 64; // each gets little: a map of more is drawn on a logarithmic scale, unless somebody chose
const TOLERANCE = 1e-6; // of a level: a view of exactly one cell a pixel is drawn cell by cell

/** @param {Site | undefined} site @returns {boolean} whether tiles draw its maps */
export const isLong = (site) => Math.max(...(site?.shape ?? [0])) > PLAIN;

/** @param {Site | undefined} site @returns {boolean} whether its maps are never in the page whole */
export const isFar = (site) => site !== undefined && site.shape[0] * site.shape[1] > HELD;

/** Blocks along an axis of so many cells. @param {number} length @param {number} level */
export const blocksAt = (length, level) => Math.ceil(length / 2 ** level);

/** How many levels a map has: the last one is a single tile. @param {Shape} shape */
export function levelsOf([rows, cols]) {
  return Math.max(1, Math.ceil(Math.log2(Math.max(1, Math.max(rows, cols) / SIDE))) + 1);
}

/**
 * The finest level whose blocks are no smaller than a pixel: every block then has a pixel of its own, so that no hot
 * cell falls between two.
 *
 * @param {View} view
 * @param {number} width in screen pixels
 * @param {number} height
 * @param {number} levels that the map has
 */
export function levelFor(view, width, height, levels) {
  const cells = Math.max((view.x[1] - view.x[0]) / width, (view.y[1] - view.y[0]) / height);
  return Math.min(Math.max(0, Math.ceil(Math.log2(cells) - TOLERANCE)), levels - 1);
}

/**
 * The tiles of a level that a stretch of an axis touches.
 *
 * @param {Stretch} stretch
 * @param {number} length of the axis
 * @param {number} level
 * @returns {[number, number]} half open
 */
export function tilesAlong([low, high], length, level) {
  const side = SIDE * 2 ** level;
  const last = Math.ceil(length / side) - 1;
  const first = Math.min(Math.max(Math.floor((low + 0.5) / side), 0), last);
  return [first, Math.min(Math.max(Math.ceil((high + 0.5) / side - TOLERANCE), first + 1), last + 1)];
}

/** @param {View} view @param {number} level @param {Shape} shape @returns {Spot[]} those nearest the middle first */
export function tilesIn(view, level, [rows, cols]) {
  const [top, bottom] = tilesAlong(view.y, rows, level);
  const [left, right] = tilesAlong(view.x, cols, level);
  /** @type {Spot[]} */
  const list = [];
  for (let row = top; row < bottom; row++) for (let col = left; col < right; col++) list.push({ level, row, col });
  const side = SIDE * 2 ** level;
  /** @param {Spot} spot */
  const away = ({ row, col }) =>
    Math.hypot((row + 0.5) * side - (view.y[0] + view.y[1]) / 2, (col + 0.5) * side - (view.x[0] + view.x[1]) / 2);
  return list.sort((a, b) => away(a) - away(b));
}

/** @param {Spot} spot @param {number} levels @returns {Spot[]} the tile itself, then those over it, the nearest first */
export function upwards({ level, row, col }, levels) {
  return Array.from({ length: levels - level }, (_, up) => ({
    level: level + up,
    row: Math.floor(row / 2 ** up),
    col: Math.floor(col / 2 ** up),
  }));
}

/**
 * The tiles to have for a view, the most useful first: the whole map coarsely, so that there is always something to
 * show; what is in view; then what a pan or a step of zooming out will show.
 *
 * @param {View} view
 * @param {number} level
 * @param {[number, number]} shape
 * @param {number} levels
 * @returns {Spot[]}
 */
export function wanted(view, level, shape, levels) {
  const list = [{ level: levels - 1, row: 0, col: 0 }, ...tilesIn(view, level, shape)];
  if (level < levels - 1) list.push(...tilesIn(view, level + 1, shape));
  const seen = new Set();
  return list.filter((spot) => {
    const name = `${spot.level}/${spot.row}/${spot.col}`;
    return !seen.has(name) && seen.add(name);
  });
}
