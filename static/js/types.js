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
 *            versions: Record<string, string>, errors?: Record<string, (number | null)[][]>}} Certificate
 * @typedef {{id: string, model: string, task: string, prediction: Prediction, axes: Record<string, Axis>, sites: Site[], bytes?: number,
 *            certificate: Certificate, objective?: Objective & {value: number}, request?: {inputs?: Input | string, target?: string, parameters?: Record<string, unknown>}, edits?: {kind: string}[], encodings?: {u8log?: {relative_error: number}}}} Summary
 *
 * @typedef {object} Entry one of a list that answers: a label, a token for a mask, an entity
 * @property {number} score
 * @property {string} [label]
 * @property {string} [token_str]
 * @property {string} [word]
 * @property {string} [entity]
 * @property {string} [entity_group]
 * @property {number} [start] in the text, in code points
 * @property {number} [end]
 * @typedef {object} Written a text that answers, or an answer out of a text; which of these there are depends on the task
 * @property {string} [text]
 * @property {string} [generated_text]
 * @property {string} [answer]
 * @property {string[]} [tokens] of what was written
 * @property {number} [score]
 * @property {number} [start]
 * @property {number} [end]
 * @property {string} [finish_reason] why a generated text ends: "stop", or "length" where it is cut at its longest
 * @property {number[]} [p_gen] of each token how much of it was written; the rest was copied
 * @property {number} [unread_words] of the input, at its end
 * @property {{text: string, timestamp?: [number | null, number | null]}[]} [chunks] what was said when
 * @typedef {number | number[] | number[][] | number[][][]} Numbers cosines, or embeddings
 * @typedef {Written | Entry[] | Entry[][] | Numbers | null} Prediction
 *
 * @typedef {string | number | boolean | number[]} Value of an option; a list is of token ids
 * @typedef {{default?: Value | null, choices?: Value[]}} Parameter one that a model takes, and what it does without
 * @typedef {object} Input an example, or the input of a request; which of these there are depends on the task
 * @property {string} [text]
 * @property {string} [question]
 * @property {string} [context]
 * @property {string} [image] base64
 * @property {string} [audio]
 * @property {string} [source_sentence]
 * @property {string[]} [sentences]
 * @property {string[] | string} [candidate_labels]
 * @property {{role: string, content: string}[]} [messages]
 * @typedef {object} Model
 * @property {string} name
 * @property {string} task
 * @property {"loaded" | "loading" | "unloaded" | "failed"} [state]
 * @property {string} [error] why it failed
 * @property {Site[]} [sites]
 * @property {(Input | string)[]} [examples]
 * @property {Record<string, Parameter> | number} [parameters] those that a request may carry, by name; as a number (older
 *   services): the count of its weights
 * @property {number} [parameter_count]
 * @property {string} [family]
 * @property {string} [architecture]
 * @property {string} [revision] of its weights
 * @property {string} [device]
 * @property {string | null} [card] in Markdown, where one model is asked for
 * @property {string} [dtype]
 * @property {"fused" | "eager"} [attention] eager: its family computes it by itself, where nothing can be cut
 * @property {string} [licence]
 * @property {{source?: string, target?: string} | null} [languages]
 * @property {boolean} [chat]
 *
 * @typedef {object} HeadMap one head's weights, whole
 * @property {Float32Array} weights row-major, rows * cols
 * @property {number} rows queries
 * @property {number} cols keys
 * @property {boolean} causal cells with key index > query index are masked
 * @property {number} [from] the first row that is here, where not all are: then rows are as many as there are
 * @property {boolean} [holes] cells of exactly 0 are masked: no softmax gives that to a key that it sees
 * @property {Unit} [unit] what the values are where they are no weights
 * @property {Float32Array} [seen] where they are none: the weights, which are 0 where a cell is masked
 *
 * @typedef {object} Measure as the service declares it
 * @property {string} name
 * @property {string} kind what has a value of it: cell, head, trace, token
 * @property {string} description
 * @property {string} formula
 * @property {string} source
 * @property {string} range
 * @property {boolean} signed
 * @property {boolean} objective whether it is of one, which the trace must have
 * @property {string} cost
 * @property {string} where a trace has it
 * @property {string} example a question that it answers
 * @property {"u8log" | "s8log"} [encoding] of cells: the code of its tiles
 * @property {{site: string, lacks: string | null, objective: boolean}[]} [sites] where in a trace it is defined; objective:
 *   one is what it lacks
 * @typedef {{tokens: "all" | number[]} | {label: string | number}} Objective
 *
 * @typedef {(number | null)[][]} Grid layers x heads; null where a number is not known
 * @typedef {{name: string, layers: number, heads: number, estimated: Grid, measured: Grid | null}} SiteEffects
 * @typedef {{sites: SiteEffects[], value: {trace: number}, correlation: {pearson: number | null} | null}} Effects of heads
 *
 * @typedef {object} Unit of the values of a measure of cells
 * @property {string} name of the measure
 * @property {boolean} signed whether they may be negative
 * @property {number} limit the largest of the site, without its sign: it has the ramp's last colour
 *
 * @typedef {"entropy" | "distance" | "sink" | "diagonal" | "effect"} MeasureName
 * @typedef {{layer: number, head: number}} Head
 * @typedef {{layer: number, head: number | Over}} HeadOrAll one head, or all of its layer as one map
 * @typedef {Head & {site: string, max?: number} & Partial<Record<MeasureName, number>>  & Partial<Record<"previous" | "duplicate" | "induction", number | null>> & {kinds?: string[]}} HeadRow a head's
 *   statistics, and of what kinds it is
 * @typedef {{heads: HeadRow[], best?: Record<string, Head | null>}} Heads those of every site, and by site the one that says
 *   most: of `cross` the best aligner, else the sharpest of the last layer; null where a map is too long to tell
 *
 * @typedef {{row: number, col: number}} Cell
 * @typedef {[number, number]} Range half open
 * @typedef {[number, number]} Shape rows (queries), columns (keys)
 * @typedef {"linear" | "log"} Scale
 * @typedef {"ink" | "cividis" | "viridis" | "grey"} Palette
 * @typedef {"light" | "dark"} Theme
 * @typedef {"mean" | "max"} Over the heads of a layer, cell by cell
 * @typedef {"max" | "mean"} Reduction of a block of cells to one
 * @typedef {"push" | "step" | "replace" | "none"} History what a change does to the browser's
 * @typedef {{shape: number[], codes: Uint8Array}} Thumbnails layers, heads, rows, columns; u8log
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
 * @typedef {{site: string, layer: number, head: number | "all"}} Edited the heads that an edit is of
 * @typedef {Edited & {kind: "silence"}} Silence
 * @typedef {Edited & {kind: "cut", query: number, key: number}} Cut
 * @typedef {Silence | Cut} Edit a change of a pass, as requests carry it
 * @typedef {object} Draft an input as it stands in the form
 * @property {string} model
 * @property {Partial<Record<Field, string>>} fields those of the task
 * @property {Media | null} media
 * @property {Record<string, Value>} parameters those that differ from the service's own
 * @property {number} [written] so many tokens were written when it was stopped
 * @property {Edit[]} [edits] what is changed in the pass
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
 * @property {string} edits JSON
 * @property {string} trace the id, where the input is a file and cannot stand in a link
 * @property {string} site
 * @property {number | null} layer
 * @property {number | null} head
 * @property {"" | Over} over empty: one head; else all of its layer
 * @property {"" | "keys"} point empty: what is pointed at asks; keys: it is what others look at
 * @property {"" | Scale} scale empty: what suits the map
 * @property {Palette} palette
 * @property {string} sort a measure's name; empty: by layer and head
 * @property {number | null} row the chosen cell
 * @property {number | null} col
 * @property {Range | null} rows the zoomed window, half open; null: all
 * @property {Range | null} cols
 * @property {"" | "mean"} how a block of a long map is drawn; empty: by its largest weight
 * @property {"" | "ribbons" | "sources" | "compare" | "alignment" | "robustness" | "faithfulness" | "corpus"} view empty: the map
 * @property {string} other what a comparison compares with, as beside/compare/other.js writes it; empty: what suggests itself
 * @property {string} pins cells with notes, as pins/codec.js writes them
 * @property {string} measure of cells, by its name; empty: the weights
 * @property {string} objective what gradients are of: empty: the whole answer, else a number of a token of it
 * @property {"" | "effects"} rail what the heads' pictures show; empty: their maps
 * @property {string} kind of heads that are picked out; empty: all are alike
 */

export {};
