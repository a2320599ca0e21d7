/** Everything that is worked out of a trace file: the same in the page and in a worker. No document here. */

import { blocksOf } from "./blocks.js";
import { estimated, knownOf, MeasuredMaps } from "./file_measures.js";
import { alignmentOf, sharpest, statisticsOf, thumbnailOf } from "./glance.js";
import { windowOnGpu } from "./gpu_blocks.js";
import { idsOf, tokenStatisticsOf } from "./token_heads.js";
import { TraceFile } from "./trace_file.js";
import { turns } from "./turns.js";

/** @typedef {import("./trace_source.js").PlacedTile} PlacedTile */
/** @typedef {import("./trace_source.js").Sheet} Sheet */
/** @typedef {import("./trace_source.js").TraceSource} TraceSource */
/** @typedef {import("../types.js").Head} Head */
/** @typedef {import("../types.js").HeadRow} HeadRow */
/** @typedef {import("../types.js").Range} Range */
/** @typedef {import("../types.js").Site} Site */
/** @typedef {{shape: number[], values: Float32Array | Int32Array | Uint8Array}} Held a tensor's numbers */
/** @typedef {{described: import("./evaluate.js").Described, tensors: Record<string, Held>}} Layer */

const SIDE = 256; // blocks a side of a tile, as the service's are
export const FRAME = 12; // milliseconds of work in the page, which then may draw
const ALIGNABLE = 1 << 24; // cells of a site's maps that are looked through for the head that aligns, as the service does
const CROSS = "cross";

export class TraceMaps {
  /** @param {TraceFile} trace @param {number} [turn] milliseconds of work at a time */
  constructor(trace, turn = FRAME) {
    this.trace = trace;
    this.summary = trace.summary;
    this.turn = turn;
    /** @type {WeakMap<import("./evaluate.js").LayerMaps, Map<string, MeasuredMaps>>} by the name of a measure, as long as the layer is open */
    this.measured = new WeakMap();
    this.asked = 0; // maps that somebody looks at are awaited, and pictures of heads wait for them
  }

  /**
   * A trace file, looked through.
   *
   * @param {ArrayBuffer} buffer
   * @param {string} name
   * @param {number} [turn]
   * @param {AbortSignal} [signal]
   * @throws {import("./bad_file.js").BadFile} it is none, or not one that is shown here
   */
  static async open(buffer, name, turn = FRAME, signal = undefined) {
    const trace = new TraceFile(buffer, name);
    await trace.check(turns(turn, signal));
    return new TraceMaps(trace, turn);
  }

  /** @param {string} name @returns {Site} */
  site(name) {
    const site = this.summary.sites.find((each) => each.name === name);
    if (!site) throw new Error(`there is no site ${name}`);
    return site;
  }

  /** What a layer's maps are evaluated by. @param {string} site @param {number} layer @param {string} [measure] empty: the weights */
  of(site, layer, measure = "") {
    const maps = this.trace.layer(site, layer);
    if (!measure) return maps;
    const all = this.measured.get(maps) ?? new Map();
    const made = all.get(measure) ?? new MeasuredMaps(maps, measure);
    this.measured.set(maps, all.set(measure, made));
    return made;
  }

  /** The measures of cells that there are, and what each layer lacks for them. */
  async known() {
    return knownOf(this.trace.file, this.summary.sites);
  }

  /** What silencing each head does to the file's objective, to first order. */
  async estimated() {
    return estimated(this.trace.file, this.summary);
  }

  /**
   * What somebody waits for, ahead of what is only useful later.
   *
   * @template T
   * @param {() => Promise<T>} work
   */
  async first(work) {
    this.asked += 1;
    try {
      return await work();
    } finally {
      this.asked -= 1;
    }
  }

  /** @param {AbortSignal} [signal] */
  behind(signal) {
    return turns(this.turn, signal, () => this.asked > 0);
  }

  /** The tensors of a layer, and what the header says of it. @param {string} site @param {number} layer @returns {Layer} */
  tensors(site, layer) {
    const prefix = `${site}.${layer}.`;
    const { file } = this.trace;
    const described = this.trace.descriptionOf(site, layer);
    const tensors = file.under(prefix).map((name) => {
      const whole = prefix + name;
      const values = file.isReal(whole) ? file.floats(whole) : file.integers(whole);
      return [whole, { shape: file.shape(whole), values: values.slice() }]; // a copy, which may leave for the page
    });
    return { described, tensors: Object.fromEntries(tensors) };
  }

  /** @type {TraceSource["weights"]} */
  weights(site, layer, part, signal, rows, cols, measure) {
    return this.first(async () => {
      const maps = this.of(site, layer, measure);
      const band = rows ?? [0, maps.queries];
      const heads = part === "all" ? Array.from({ length: maps.heads }, (_, head) => head) : [part];
      return this.fill(maps, heads, band, cols ?? [0, maps.keys], signal);
    });
  }

  /** @type {TraceSource["window"]} */
  window(site, { layer, head }, rows, cols, signal, measure) {
    return this.first(() => this.fill(this.of(site, layer, measure), [head], rows, cols, signal));
  }

  /**
   * A window of some heads, a long one on a graphics processor where there is one, else row by row.
   *
   * @param {import("./glance.js").Maps} maps
   * @param {number[]} heads
   * @param {Range} rows
   * @param {Range} cols
   * @param {AbortSignal} [signal]
   */
  async fill(maps, heads, rows, cols, signal) {
    const width = cols[1] - cols[0];
    const weights = new Float32Array(heads.length * (rows[1] - rows[0]) * width);
    const turn = turns(this.turn, signal);
    let at = 0;
    for (const head of heads) {
      const whole = await windowOnGpu(maps, head, rows, cols, turn);
      if (whole) weights.set(whole, at);
      for (let row = rows[0]; row < rows[1]; row++, at += width) {
        if (whole) continue;
        weights.set(maps.window(head, [row, row + 1], cols), at);
        await turn();
      }
    }
    return weights;
  }

  /** @type {TraceSource["heads"]} */
  async heads(signal) {
    /** @type {HeadRow[]} */
    const heads = [];
    /** @type {Record<string, Head | null>} */
    const best = {};
    const turn = this.behind(signal);
    for (const site of this.summary.sites) {
      const few = site.layers * site.heads * site.shape[0] * site.shape[1] <= ALIGNABLE;
      const [queries, keys] = [this.summary.axes[site.queries], this.summary.axes[site.keys]];
      const ids = idsOf(site, keys);
      const taught = this.trace.taught(site);
      /** @type {(Head & {score: number}) | null} */
      let aligns = null;
      for (let layer = 0; layer < site.layers; layer++) {
        const maps = this.trace.layer(site.name, layer);
        for (let head = 0; head < site.heads; head++) {
          const apart = taught?.reading === "input" && taught.layer === layer && taught.head === head; // off by one to the eye
          const statistics = await statisticsOf(maps, head, turn);
          heads.push({ site: site.name, layer, head, ...statistics, ...(await tokenStatisticsOf(maps, head, ids, turn)) });
          if (site.name !== CROSS || !few || apart) continue;
          const score = await alignmentOf(maps, head, queries, keys, turn);
          if (!aligns || score > aligns.score) aligns = { layer, head, score };
        }
      }
      const rows = heads.filter((row) => row.site === site.name);
      best[site.name] = few ? ((taught?.reading === "output" ? taught : aligns) ?? sharpest(rows)) : null;
    }
    return { heads, best };
  }

  /** @type {TraceSource["thumbnails"]} */
  async thumbnails(name, size, signal, measure) {
    const { layers, heads } = this.site(name);
    const codes = new Uint8Array(layers * heads * size * size);
    const turn = this.behind(signal);
    for (let at = 0; at < layers * heads; at++) {
      const maps = this.of(name, Math.floor(at / heads), measure);
      codes.set(await thumbnailOf(maps, at % heads, size, turn), at * size * size);
    }
    return { shape: [layers, heads, size, size], codes };
  }

  /** @type {TraceSource["tiles"]} */
  tiles(sheet, level, tiles, signal, measure) {
    return this.first(async () => {
      /** @type {PlacedTile[]} */
      const made = [];
      for (const [row, col] of tiles) made.push({ row, col, tile: await this.tile(sheet, level, row, col, signal, measure) });
      signal?.throwIfAborted(); // as a request would: whoever gave it up does not look for what came
      return made;
    });
  }

  /**
   * One tile: blocks of 2^level cells a side.
   *
   * @param {Sheet} sheet
   * @param {number} level
   * @param {number} row
   * @param {number} col
   * @param {AbortSignal} [signal]
   * @param {string} [measure] empty: the weights
   */
  async tile({ site, layer, head, how }, level, row, col, signal, measure) {
    const maps = this.of(site, layer, measure);
    const block = 2 ** level;
    /** @param {number} at @param {number} length @returns {Range[]} the blocks of a side */
    const blocks = (at, length) => {
      const [first, stop] = [at * SIDE * block, Math.min((at + 1) * SIDE * block, length)];
      return Array.from({ length: Math.ceil((stop - first) / block) }, (_, index) => {
        const low = first + index * block;
        return [low, Math.min(low + block, stop)];
      });
    };
    const [bands, stretches] = [blocks(row, maps.queries), blocks(col, maps.keys)];
    const codes = await blocksOf(maps, head, bands, stretches, how, turns(this.turn, signal));
    return { codes: codes.some((code) => code) ? codes : null, rows: bands.length, cols: stretches.length };
  }
}
