/**
 * The shapes that travel through the page; no code.
 *
 * @typedef {[number, number, number, number]} Box left, top, right, bottom of a patch, in pixels of the picture
 * @typedef {object} Axis
 * @property {"text" | "image" | "audio" | "mixed"} kind
 * @property {string[]} labels
 * @property {number[]} ids
 * @property {[number, number][]} spans half open, in code points of the text
 * @property {boolean[]} special not a part of the input: class token, separators
 * @property {number[]} [segments] which of several texts a span refers to
 * @property {(Box | null)[]} [boxes] null for what is no patch
 * @property {[number, number]} [size] the picture's width and height
 * @property {[number, number][]} [seconds] start and end of each frame
 * @property {number} [duration] of the recording, in seconds
 *
 * @typedef {{name: string, layers: number, heads: number, kv_heads: number, queries: string, keys: string,
 *            shape: [number, number], levels?: number, mask?: string}} Site
 * @typedef {{max_error: number | null, relative_error?: number | null, tolerance?: number | null,
 *            warning?: string | null, rows_checked: number, kernel: string, dtype: string,
 *            versions: Record<string, string>, errors?: Record<string, number[][]>}} Certificate
 * @typedef {{id: string, model: string, task: string, prediction: any, axes: Record<string, Axis>, sites: Site[],
 *            certificate: Certificate}} Summary
 * @typedef {{name: string, task: string, state?: "loaded" | "loading" | "unloaded" | "failed", error?: string,
 *            sites?: Site[], examples?: any[], [fact: string]: any}} Model
 *
 * @typedef {object} HeadMap one head's weights, whole
 * @property {Float32Array} weights row-major, rows * cols
 * @property {number} rows queries
 * @property {number} cols keys
 * @property {boolean} causal cells with key index > query index are masked
 * @property {number} [from] the first row that is here, where not all are: then rows are as many as there are
 * @property {boolean} [holes] cells of exactly 0 are masked: no softmax gives that to a key that it sees
 *
 * @typedef {{site: string, layer: number, head: number, [measure: string]: number | string}} HeadRow
 *
 * @typedef {object} Place what a reader points at: a cell has one of each, a word or patch some queries or some keys
 * @property {number[]} [rows]
 * @property {number[]} [cols]
 *
 * @typedef {object} Media a file that a reader chose; it stays in the page
 * @property {"image" | "audio"} kind
 * @property {string} name
 * @property {Uint8Array<ArrayBuffer>} bytes
 * @property {string} base64
 * @property {string} url of the bytes, inside the page
 *
 * @typedef {"text" | "question" | "context" | "source" | "sentences" | "labels"} Field
 * @typedef {object} Draft an input as it stands in the form
 * @property {string} model
 * @property {Partial<Record<Field, string>>} fields those of the task
 * @property {Media | null} media
 * @property {Record<string, string | number | boolean>} parameters those that differ from the service's own
 *
 * @typedef {object} State everything that a link restores; all of it but what says otherwise
 * @property {string} model
 * @property {string} text the text that the map belongs to, not the one being typed
 * @property {string} question
 * @property {string} context
 * @property {string} source
 * @property {string} sentences one a line
 * @property {string} labels one a line
 * @property {string} parameters JSON
 * @property {string} trace the id, where the input is a file and cannot stand in a link
 * @property {string} site
 * @property {number | null} layer
 * @property {number | null} head
 * @property {"" | "keys"} point empty: what is pointed at asks; keys: it is what others look at
 * @property {"" | "linear" | "log"} scale empty: what suits the map
 * @property {"cividis" | "viridis" | "grey"} palette
 * @property {string} sort a measure's name; empty: by layer and head
 * @property {number | null} row the chosen cell
 * @property {number | null} col
 * @property {[number, number] | null} rows the zoomed window, half open; null: all
 * @property {[number, number] | null} cols
 * @property {"" | "mean"} how a block of a long map is drawn; empty: by its largest weight
 */

export {};
