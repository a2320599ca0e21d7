/**
 * Where the maps of a trace come from: the service, or a file in the page. No code.
 *
 * @typedef {import("../types.js").Effects} Effects
 * @typedef {import("../types.js").Head} Head
 * @typedef {import("../types.js").HeadOrAll} HeadOrAll
 * @typedef {import("../types.js").Heads} Heads
 * @typedef {import("../types.js").Measure} Measure
 * @typedef {import("../types.js").Objective} Objective
 * @typedef {import("../types.js").Range} Range
 * @typedef {import("../types.js").Reduction} Reduction
 * @typedef {import("../types.js").Summary} Summary
 * @typedef {import("../types.js").Thumbnails} Thumbnails
 * @typedef {import("./evaluate.js").LayerMaps} LayerMaps
 * @typedef {import("./tiles.js").Tile} Tile
 * @typedef {{site: string, layer: number, head: number, how: Reduction}} Sheet one head, reduced one way
 * @typedef {{row: number, col: number, tile: Tile}} PlacedTile in tiles from the first row and column
 *
 * @typedef {object} TraceSource
 * @property {Summary} summary
 * @property {(site: string, layer: number, part: number | "all", signal: AbortSignal, rows?: Range, cols?: Range,
 *   measure?: string) => Promise<Float32Array>} weights of a head, or of all heads of a layer, row-major; all rows and columns
 *   where none are named. Here and below, `measure` of cells: the source's own where none is named; empty: the weights
 * @property {(signal: AbortSignal) => Promise<Heads>} heads every head's statistics, and which head says most
 * @property {(site: string, size: number, signal: AbortSignal, measure?: string) => Promise<Thumbnails>} thumbnails
 * @property {(sheet: Sheet, level: number, tiles: [number, number][], signal?: AbortSignal, measure?: string) =>
 *   Promise<PlacedTile[]>} tiles
 * @property {(site: string, head: Head, rows: Range, cols: Range, signal?: AbortSignal, measure?: string) =>
 *   Promise<Float32Array>} window exact weights, row-major
 * @property {(site: string, layer: number, signal: AbortSignal) => Promise<LayerMaps>} layer what its weights are made of
 * @property {(signal: AbortSignal) => Promise<Measure[]>} measures that there are, and where in the trace
 * @property {(measure: Measure) => TraceSource} measured the same maps by another measure of their cells
 * @property {(measured: boolean, signal: AbortSignal) => Promise<Effects>} effects of silencing each head on the trace's
 *   objective; measured: by a pass each, too
 * @property {(objective: Objective, signal: AbortSignal) => Promise<TraceSource>} towards the trace of the same input that
 *   has an objective too
 * @property {(site: string, head: HeadOrAll, format: string, rows?: Range, cols?: Range) => string | null} path the address of
 *   a representation; null where there is no service, and the page makes it itself
 * @property {Blob} [file] the whole trace file, where the page has it
 * @property {() => void} [close] nobody looks at it any more
 */

export {};
