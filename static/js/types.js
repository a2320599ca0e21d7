/**
 * The shapes that travel through the page; no code.
 *
 * @typedef {{kind: string, labels: string[], ids: number[], spans: [number, number][], special: boolean[]}} Axis
 * @typedef {{name: string, layers: number, heads: number, kv_heads: number, queries: string, keys: string,
 *            shape: [number, number], mask?: string}} Site
 * @typedef {{max_error: number, rows_checked: number, kernel: string, dtype: string,
 *            versions: Record<string, string>}} Certificate
 * @typedef {{id: string, model: string, task: string, prediction: {text: string, tokens: string[], score: number},
 *            axes: Record<string, Axis>, sites: Site[], certificate: Certificate}} Summary
 *
 * @typedef {object} HeadMap one head's weights, whole
 * @property {Float32Array} weights row-major, rows * cols
 * @property {number} rows queries
 * @property {number} cols keys
 * @property {boolean} causal cells with key index > query index are masked
 *
 * @typedef {{site: string, layer: number, head: number, [measure: string]: number | string}} HeadRow
 *
 * @typedef {object} State everything that a link restores
 * @property {string} model
 * @property {string} text the text that was translated, not the one being typed
 * @property {string} site
 * @property {number | null} layer
 * @property {number | null} head
 * @property {"" | "linear" | "log"} scale empty: what suits the map
 * @property {"cividis" | "viridis" | "grey"} palette
 * @property {string} sort a measure's name; empty: by layer and head
 * @property {number | null} row the chosen cell
 * @property {number | null} col
 * @property {[number, number] | null} rows the zoomed window, half open; null: all
 * @property {[number, number] | null} cols
 */

export {};
