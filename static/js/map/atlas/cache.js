/** The tiles that stay in the page: the latest used, within a budget. No document here. */

import { upwards } from "./levels.js";

/** @typedef {import("./codes.js").PlacedTile} PlacedTile */
/** @typedef {import("../../source/trace_source.js").Sheet} Sheet */
/** @typedef {import("../../source/tiles.js").Tile} Tile */
/** @typedef {import("./levels.js").Spot} Spot */

export const BUDGET = 48 << 20; // bytes: 768 full tiles, twenty screens
const LEAST = 64; // bytes that a masked tile's entry takes

/** @param {Sheet} sheet @param {Spot} spot */
export const nameOf = (sheet, spot) =>
  `${sheet.site}/${sheet.layer}/${sheet.head}/${sheet.how}/${spot.level}/${spot.row}/${spot.col}`;

export class TileCache {
  constructor(budget = BUDGET) {
    this.budget = budget;
    this.bytes = 0;
    /** @type {Map<string, Tile>} the least recently used first */
    this.tiles = new Map();
  }

  /** @param {string} name @returns {Tile | undefined} */
  get(name) {
    const tile = this.tiles.get(name);
    if (tile) {
      this.tiles.delete(name);
      this.tiles.set(name, tile);
    }
    return tile;
  }

  /** @param {string} name */
  has(name) {
    return this.tiles.has(name);
  }

  /** @param {string} name @param {Tile} tile */
  put(name, tile) {
    this.drop(name);
    this.tiles.set(name, tile);
    this.bytes += sizeOf(tile);
    for (const other of this.tiles.keys()) {
      if (this.bytes <= this.budget || other === name) break;
      this.drop(other);
    }
  }

  /** @param {string} name */
  drop(name) {
    const tile = this.tiles.get(name);
    if (!tile) return;
    this.bytes -= sizeOf(tile);
    this.tiles.delete(name);
  }

  /** A tile, or the nearest over it that is here. @param {Sheet} sheet @param {Spot} spot @param {number} levels @returns {PlacedTile | null} */
  find(sheet, spot, levels) {
    for (const above of upwards(spot, levels)) {
      const tile = this.get(nameOf(sheet, above));
      if (tile) return { ...above, tile };
    }
    return null;
  }
}

/** @param {Tile} tile */
const sizeOf = (tile) => Math.max(tile.codes?.length ?? 0, LEAST);
