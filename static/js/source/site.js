/** What is fetched of a site's long maps: tiles, exact windows and rows. A dropped trace is made again on the way. */

import { mapPath, request } from "../api/routes.js";
import { decodeNpy } from "../api/npy.js";
import { parseBatch } from "../map/atlas/codes.js";

/** @typedef {import("./session.js").Session} Session */
/** @typedef {import("../map/atlas/cache.js").Sheet} Sheet */
/** @typedef {{layer: number, head: number}} Head */

const LINES = 24; // rows kept, and as many columns: at 131,072 keys a row takes half a megabyte
const CELLS = 4096; // weights kept that a pointer has rested on

/** Keeps the latest used of a map. */
function keep(map, name, value, most) {
  map.delete(name);
  map.set(name, value);
  if (map.size > most) map.delete(map.keys().next().value);
  return value;
}

export class Source {
  /** @param {Session} session @param {string} site */
  constructor(session, site) {
    this.session = session;
    this.site = session.site(site);
    this.shape = this.site.shape;
    /** @type {Map<string, Float32Array>} */
    this.rows = new Map();
    /** @type {Map<string, Float32Array>} */
    this.columns = new Map();
    /** @type {Map<string, number>} */
    this.cells = new Map();
  }

  /** @param {Sheet} sheet @param {number} level @param {[number, number][]} tiles */
  tiles({ site, layer, head, how }, level, tiles, signal) {
    const wanted = tiles.map((pair) => pair.join(":")).join(",");
    return this.session.alive(async () => {
      const path = `v1/traces/${this.session.summary.id}/tiles/${site}/${layer}/${head}/${how}/${level}`;
      return parseBatch(await (await request(`${path}?tiles=${wanted}`, { signal })).arrayBuffer());
    });
  }

  /** The address of a window in one representation. @param {Head} head @param {string} format */
  path({ layer, head }, rows, cols, format) {
    const part = `rows=${rows.join(":")}&cols=${cols.join(":")}`;
    return `${mapPath(this.session.summary.id, this.site.name, layer, head)}?format=${format}&${part}`;
  }

  /** Exact weights of half-open ranges. @param {Head} head @returns {Promise<Float32Array>} */
  window(head, rows, cols, signal) {
    return this.session.alive(async () => {
      const answer = await request(this.path(head, rows, cols, "npy"), { signal });
      return /** @type {Float32Array} */ (decodeNpy(await answer.arrayBuffer()).data);
    });
  }

  /** @param {Head} head @returns {Float32Array | undefined} a row that is here */
  rowHere({ layer, head }, row) {
    return this.rows.get(`${layer}/${head}/${row}`);
  }

  /** All weights of a query, exact. @param {Head} head @returns {Promise<Float32Array>} */
  async row(head, row, signal) {
    const name = `${head.layer}/${head.head}/${row}`;
    const found = this.rows.get(name) ?? (await this.window(head, [row, row + 1], [0, this.shape[1]], signal));
    return keep(this.rows, name, found, LINES);
  }

  /** @param {Head} head @returns {Float32Array | undefined} a column that is here */
  columnHere({ layer, head }, col) {
    return this.columns.get(`${layer}/${head}/${col}`);
  }

  /** All weights onto a key, exact. @param {Head} head @returns {Promise<Float32Array>} */
  async column(head, col, signal) {
    const name = `${head.layer}/${head.head}/${col}`;
    const found = this.columns.get(name) ?? (await this.window(head, [0, this.shape[0]], [col, col + 1], signal));
    return keep(this.columns, name, found, LINES);
  }

  /** @param {Head} head @returns {number | undefined} an exact weight that is here */
  cellHere(head, row, col) {
    const here = this.rowHere(head, row)?.[col] ?? this.columnHere(head, col)?.[row];
    return here ?? this.cells.get(`${head.layer}/${head.head}/${row}/${col}`);
  }

  /** One weight, exact. @param {Head} head @returns {Promise<number>} */
  async cell(head, row, col, signal) {
    const found = this.cellHere(head, row, col);
    if (found !== undefined) return found;
    const [weight] = await this.window(head, [row, row + 1], [col, col + 1], signal);
    return keep(this.cells, `${head.layer}/${head.head}/${row}/${col}`, weight, CELLS);
  }
}
