/** What is wanted of a site's long maps: tiles, exact windows and rows; what was looked at last is kept. */

/** @typedef {import("./session.js").Session} Session */
/** @typedef {import("../types.js").Head} Head */
/** @typedef {import("../types.js").Range} Range */
/** @typedef {import("./trace_source.js").Sheet} Sheet */

const LINES = 24; // rows kept, and as many columns: at 131,072 keys a row takes half a megabyte
const CELLS = 4096; // weights kept that a pointer has rested on

/**
 * Keeps the latest used of a map.
 *
 * @template T
 * @param {Map<string, T>} map
 * @param {string} name
 * @param {T} value
 * @param {number} most
 * @returns {T} the value
 */
function keep(map, name, value, most) {
  map.delete(name);
  map.set(name, value);
  if (map.size > most) map.delete(/** @type {string} */ (map.keys().next().value));
  return value;
}

export class SiteSource {
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

  /** What the values of a head's map are; of weights nothing has to be said. @param {Head} head */
  unitOf(head) {
    return this.session.unitOf(this.site.name, head);
  }

  /** @param {Sheet} sheet @param {number} level @param {[number, number][]} tiles @param {AbortSignal} [signal] */
  tiles(sheet, level, tiles, signal) {
    return this.session.source.tiles(sheet, level, tiles, signal);
  }

  /**
   * The address of a window in one representation; null where the page makes it itself.
   *
   * @param {Head} head
   * @param {Range} rows
   * @param {Range} cols
   * @param {string} format
   */
  path(head, rows, cols, format) {
    return this.session.source.path(this.site.name, head, format, rows, cols);
  }

  /**
   * Exact weights.
   *
   * @param {Head} head
   * @param {Range} rows
   * @param {Range} cols
   * @param {AbortSignal} [signal]
   * @returns {Promise<Float32Array>} row-major
   */
  exactWindow(head, rows, cols, signal) {
    return this.session.source.window(this.site.name, head, rows, cols, signal);
  }

  /** @param {Head} head @param {number} row @returns {Float32Array | undefined} a row that is here */
  rowHere({ layer, head }, row) {
    return this.rows.get(`${layer}/${head}/${row}`);
  }

  /** All weights of a query, exact. @param {Head} head @param {number} row @param {AbortSignal} [signal] */
  async row(head, row, signal) {
    const name = `${head.layer}/${head.head}/${row}`;
    const weights = this.rows.get(name) ?? (await this.exactWindow(head, [row, row + 1], [0, this.shape[1]], signal));
    return keep(this.rows, name, weights, LINES);
  }

  /** Of a measure's row, its weights where they say which cells are masked: 0 there. @param {Head} head @param {number} row */
  seen({ layer, head }, row) {
    return this.session.seenRow(this.site, layer, head, row);
  }

  /** @param {Head} head @param {number} col @returns {Float32Array | undefined} a column that is here */
  columnHere({ layer, head }, col) {
    return this.columns.get(`${layer}/${head}/${col}`);
  }

  /** All weights onto a key, exact. @param {Head} head @param {number} col @param {AbortSignal} [signal] */
  async column(head, col, signal) {
    const name = `${head.layer}/${head.head}/${col}`;
    const weights = this.columns.get(name) ?? (await this.exactWindow(head, [0, this.shape[0]], [col, col + 1], signal));
    return keep(this.columns, name, weights, LINES);
  }

  /** @param {Head} head @param {number} row @param {number} col @returns {number | undefined} a weight that is here */
  cellHere(head, row, col) {
    const here = this.rowHere(head, row)?.[col] ?? this.columnHere(head, col)?.[row];
    return here ?? this.cells.get(`${head.layer}/${head.head}/${row}/${col}`);
  }

  /** One weight, exact. @param {Head} head @param {number} row @param {number} col @param {AbortSignal} [signal] */
  async cell(head, row, col, signal) {
    const here = this.cellHere(head, row, col);
    if (here !== undefined) return here;
    const [weight] = await this.exactWindow(head, [row, row + 1], [col, col + 1], signal);
    return keep(this.cells, `${head.layer}/${head.head}/${row}/${col}`, weight, CELLS);
  }
}
