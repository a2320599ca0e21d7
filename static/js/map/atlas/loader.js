/** Fetches tiles: what is wanted now, a few at a time, what is wanted no more aborted, failures tried again. */

import { asError, isAbort } from "../../api/request.js";
import { nameOf } from "./cache.js";

/** @typedef {import("../../source/trace_source.js").Sheet} Sheet */
/** @typedef {import("./cache.js").TileCache} TileCache */
/** @typedef {import("../../source/tiles.js").Tile} Tile */
/** @typedef {import("./levels.js").Spot} Spot */
/** @typedef {Error & {status?: number, retryAfter?: number}} Failure of a request */
/** @typedef {{controller: AbortController, names: string[]}} Flight one request */

const TOGETHER = 4; // tiles of one request: few, so that the first of them are on show soon
const FLIGHTS = 4; // requests at once: browsers open six connections, and exact values want some of them
const PAUSES = [400, 1200, 3000]; // milliseconds before a failed request is made again
const LONGEST_PAUSE = 15_000; // a service that asks for more is told of instead

/** Whether asking again may help: nobody answered, too many asked, or the service was at fault. @param {Failure} error */
const passing = (error) => error.status === undefined || error.status === 429 || error.status >= 500;

export class Loader {
  /**
   * @param {object} on
   * @param {(sheet: Sheet, level: number, tiles: [number, number][], signal: AbortSignal) =>
   *   Promise<{row: number, col: number, tile: Tile}[]>} on.fetch
   * @param {() => void} on.arrived some tiles came
   * @param {(busy: boolean) => void} on.busy
   * @param {(error: Error) => void} on.failed for good
   */
  constructor(on) {
    this.on = on;
    /** @type {Set<Flight>} */
    this.flights = new Set();
    /** @type {{sheet: Sheet, spots: Spot[]}} */
    this.order = { sheet: { site: "", layer: 0, head: 0, how: "max" }, spots: [] };
    /** @type {Map<string, number>} failures so far */
    this.failures = new Map();
    this.timer = 0;
    /** @type {TileCache | null} where tiles go */
    this.cache = null;
  }

  /**
   * @param {TileCache} cache where tiles go
   * @param {Sheet} sheet
   * @param {Spot[]} spots the most useful first; what is under way and not among them is given up
   */
  want(cache, sheet, spots) {
    this.cache = cache;
    this.order = { sheet, spots };
    const names = new Set(spots.map((spot) => nameOf(sheet, spot)));
    for (const flight of this.flights)
      if (!flight.names.some((name) => names.has(name))) {
        this.flights.delete(flight);
        flight.controller.abort();
      }
    for (const name of this.failures.keys()) if (!names.has(name)) this.failures.delete(name);
    this.next();
  }

  /** Gives everything up. */
  stop() {
    clearTimeout(this.timer);
    this.timer = 0;
    this.failures.clear();
    if (this.cache) this.want(this.cache, this.order.sheet, []);
  }

  /** Begins what may begin. */
  next() {
    const { cache } = this;
    const { sheet, spots } = this.order;
    if (!cache) return;
    const coming = new Set([...this.flights].flatMap(({ names }) => names));
    const missing = spots.filter((spot) => {
      const name = nameOf(sheet, spot);
      return !coming.has(name) && !cache.has(name) && (this.failures.get(name) ?? 0) <= PAUSES.length;
    });
    while (this.flights.size < FLIGHTS && missing.length && !this.timer) {
      const { level } = missing[0];
      const batch = missing.filter((spot) => spot.level === level).slice(0, TOGETHER);
      for (const spot of batch) missing.splice(missing.indexOf(spot), 1);
      this.fly(cache, sheet, level, batch);
    }
    this.on.busy(this.flights.size > 0 || this.timer !== 0);
  }

  /** @param {TileCache} cache @param {Sheet} sheet @param {number} level @param {Spot[]} batch */
  async fly(cache, sheet, level, batch) {
    const names = batch.map((spot) => nameOf(sheet, spot));
    const flight = { controller: new AbortController(), names };
    this.flights.add(flight);
    try {
      const tiles = batch.map(({ row, col }) => /** @type {[number, number]} */ ([row, col]));
      const came = await this.on.fetch(sheet, level, tiles, flight.controller.signal);
      for (const { row, col, tile } of came) cache.put(nameOf(sheet, { level, row, col }), tile);
      for (const name of names) this.failures.delete(name);
      if (this.flights.has(flight)) this.on.arrived();
    } catch (error) {
      if (!isAbort(error) && this.flights.has(flight)) this.failed(asError(error), names);
    } finally {
      // One that was given up is out of the set already, and what came after it has begun.
      if (this.flights.delete(flight)) this.next();
    }
  }

  /** Tries again after a pause, or says that it will not. @param {Failure} error @param {string[]} names */
  failed(error, names) {
    const count = Math.max(...names.map((name) => this.failures.get(name) ?? 0));
    const pause = Math.max(PAUSES[count] ?? 0, 1000 * (error.retryAfter ?? 0));
    const again = passing(error) && count < PAUSES.length && pause <= LONGEST_PAUSE;
    for (const name of names) this.failures.set(name, again ? count + 1 : PAUSES.length + 1);
    if (!again) return this.on.failed(error);
    if (this.timer) return;
    this.timer = window.setTimeout(() => {
      this.timer = 0;
      this.next();
    }, pause);
  }

  /** Failures are forgotten: the reader asks again. */
  retry() {
    this.failures.clear();
    this.next();
  }
}
