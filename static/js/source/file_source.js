/** A trace file in the page: every map of it is worked out here, and no service is asked. */

import { codeOf, alignmentOf, sharpest, statisticsOf, thumbnailOf } from "./glance.js";
import { idsOf, tokenStatisticsOf } from "./token_heads.js";
import { TraceFile } from "./trace_file.js";
import { declared } from "./declared.js";
import { estimated, knownOf, MeasuredMaps } from "./file_measures.js";

/** @typedef {import("./trace_source.js").PlacedTile} PlacedTile */
/** @typedef {import("./trace_source.js").Sheet} Sheet */
/** @typedef {import("./trace_source.js").TraceSource} TraceSource */
/** @typedef {import("../types.js").Head} Head */
/** @typedef {import("../types.js").HeadRow} HeadRow */
/** @typedef {import("../types.js").Range} Range */
/** @typedef {import("../types.js").Site} Site */

const SIDE = 256; // blocks a side of a tile, as the service's are
const TURN = 12; // milliseconds of work, then the page may draw a frame
const ALIGNABLE = 1 << 24; // cells of a site's maps that are looked through for the head that aligns, as the service does
const CROSS = "cross";

/** Lets the page draw and answer; throws where nobody waits any more. @param {AbortSignal} [signal] */
async function rest(signal) {
  await new Promise((resolve) => setTimeout(resolve));
  signal?.throwIfAborted();
}

/** Work in turns: `await turn()` between two steps rests once a frame's time is over. @param {AbortSignal} [signal] */
function turns(signal) {
  let began = performance.now();
  return async () => {
    if (performance.now() - began < TURN) return;
    await rest(signal);
    began = performance.now();
  };
}

/** @implements {TraceSource} */
export class FileSource {
  /**
   * @param {ArrayBuffer} buffer a whole trace file
   * @param {TraceFile} [trace] the same, where it is open
   * @param {string} [measure] of cells, whose values its maps have; empty: the weights
   * @throws {Error} it is none, or of another version
   */
  constructor(buffer, trace = new TraceFile(buffer), measure = "") {
    this.buffer = buffer;
    this.trace = trace;
    this.measure = measure;
    this.summary = this.trace.summary;
    /** @type {Map<string, MeasuredMaps>} */
    this.opened = new Map();
  }

  /** @type {TraceSource["measures"]} */
  async measures() {
    return knownOf(this.trace, this.summary.sites).map(declared);
  }

  /** The same maps by another measure. @type {TraceSource["measured"]} */
  measured({ name }) {
    return new FileSource(this.buffer, this.trace, name);
  }

  /** Estimates alone: nothing here can make a pass. @type {TraceSource["effects"]} */
  async effects() {
    return estimated(this.trace, this.summary);
  }

  /** @type {TraceSource["towards"]} */
  towards() {
    return Promise.reject(new Error("a trace file has no model to ask"));
  }

  /** What a layer's maps are evaluated by. @param {string} site @param {number} layer */
  maps(site, layer) {
    const maps = this.trace.layer(site, layer);
    if (!this.measure) return maps;
    const name = `${site}.${layer}`;
    const measured = this.opened.get(name) ?? new MeasuredMaps(maps, this.measure);
    this.opened.set(name, measured);
    return measured;
  }

  /** @param {string} name @returns {Site} */
  site(name) {
    const site = this.summary.sites.find((each) => each.name === name);
    if (!site) throw new Error(`there is no site ${name}`);
    return site;
  }

  /** @param {string} site @param {number} layer */
  async layer(site, layer) {
    return this.trace.layer(site, layer);
  }

  /** @type {TraceSource["weights"]} */
  async weights(site, layer, part, signal, rows) {
    const maps = this.maps(site, layer);
    const band = rows ?? [0, maps.queries];
    if (part !== "all") return this.window(site, { layer, head: part }, band, [0, maps.keys], signal);
    const cells = (band[1] - band[0]) * maps.keys;
    const weights = new Float32Array(maps.heads * cells);
    const turn = turns(signal);
    for (let head = 0; head < maps.heads; head++) {
      weights.set(maps.window(head, band, [0, maps.keys]), head * cells);
      await turn();
    }
    return weights;
  }

  /** @type {TraceSource["window"]} */
  async window(site, { layer, head }, rows, cols, signal) {
    const maps = this.maps(site, layer);
    const width = cols[1] - cols[0];
    const weights = new Float32Array((rows[1] - rows[0]) * width);
    const turn = turns(signal);
    for (let row = rows[0]; row < rows[1]; row++) {
      weights.set(maps.window(head, [row, row + 1], cols), (row - rows[0]) * width);
      await turn();
    }
    return weights;
  }

  /** @type {TraceSource["heads"]} */
  async heads(signal) {
    /** @type {HeadRow[]} */
    const heads = [];
    /** @type {Record<string, Head | null>} */
    const best = {};
    const turn = turns(signal);
    for (const site of this.summary.sites) {
      const few = site.layers * site.heads * site.shape[0] * site.shape[1] <= ALIGNABLE;
      const [queries, keys] = [this.summary.axes[site.queries], this.summary.axes[site.keys]];
      const ids = idsOf(site, keys);
      /** @type {(Head & {score: number}) | null} */
      let aligns = null;
      for (let layer = 0; layer < site.layers; layer++) {
        const maps = this.trace.layer(site.name, layer);
        for (let head = 0; head < site.heads; head++) {
          heads.push({ site: site.name, layer, head, ...statisticsOf(maps, head), ...tokenStatisticsOf(maps, head, ids) });
          if (site.name === CROSS && few) {
            const score = alignmentOf(maps, head, queries, keys);
            if (!aligns || score > aligns.score) aligns = { layer, head, score };
          }
          await turn();
        }
      }
      const rows = heads.filter((row) => row.site === site.name);
      best[site.name] = few ? (this.trace.taught(site) ?? aligns ?? sharpest(rows)) : null;
    }
    return { heads, best };
  }

  /** @type {TraceSource["thumbnails"]} */
  async thumbnails(name, size, signal) {
    const { layers, heads } = this.site(name);
    const codes = new Uint8Array(layers * heads * size * size);
    const turn = turns(signal);
    for (let at = 0; at < layers * heads; at++) {
      const maps = this.maps(name, Math.floor(at / heads));
      codes.set(thumbnailOf(maps, at % heads, size), at * size * size);
      await turn();
    }
    return { shape: [layers, heads, size, size], codes };
  }

  /** @type {TraceSource["tiles"]} */
  async tiles(sheet, level, tiles, signal) {
    /** @type {PlacedTile[]} */
    const made = [];
    for (const [row, col] of tiles) made.push({ row, col, tile: await this.tile(sheet, level, row, col, signal) });
    return made;
  }

  /**
   * One tile: blocks of 2^level cells a side, each by its largest weight or by the mean of what is not masked.
   *
   * @param {Sheet} sheet
   * @param {number} level
   * @param {number} row
   * @param {number} col
   * @param {AbortSignal} [signal]
   */
  async tile({ site, layer, head, how }, level, row, col, signal) {
    const maps = this.maps(site, layer);
    const block = 2 ** level;
    /** @param {number} at @param {number} length @returns {Range} cells of the tile */
    const part = (at, length) => [at * SIDE * block, Math.min((at + 1) * SIDE * block, length)];
    const [rows, cols] = [part(row, maps.queries), part(col, maps.keys)];
    const shape = [rows, cols].map(([low, high]) => Math.ceil((high - low) / block));
    const codes = new Uint8Array(shape[0] * shape[1]);
    const turn = turns(signal);
    for (let y = 0; y < shape[0]; y++) {
      /** @type {Range} */
      const band = [rows[0] + y * block, Math.min(rows[0] + (y + 1) * block, rows[1])];
      const weights = maps.window(head, band, cols);
      for (let x = 0; x < shape[1]; x++) {
        /** @type {Range} */
        const cells = [cols[0] + x * block, Math.min(cols[0] + (x + 1) * block, cols[1])];
        codes[y * shape[1] + x] =
          how === "max"
            ? codeOf(maps, weights, band, cells, cols[1] - cols[0], cols[0])
            : meanCode(maps, weights, band, cells, cols);
      }
      await turn();
    }
    return { codes: codes.some((code) => code) ? codes : null, rows: shape[0], cols: shape[1] };
  }

  /** There is no service that would answer. */
  path() {
    return null;
  }
}

/**
 * The code of the mean weight of a block's visible cells; 0 where there is none.
 *
 * @param {import("./glance.js").Maps} maps
 * @param {Float32Array} weights of the band, all columns of the tile
 * @param {Range} band
 * @param {Range} cells
 * @param {Range} cols of the tile
 */
function meanCode(maps, weights, [top, bottom], [left, right], [start, stop]) {
  let [sum, count] = [0, 0];
  for (let row = top; row < bottom; row++)
    for (let col = left; col < right; col++)
      if (maps.sees(row, col)) {
        sum += weights[(row - top) * (stop - start) + col - start];
        count += 1;
      }
  return count ? maps.encode(sum / count) : 0;
}
