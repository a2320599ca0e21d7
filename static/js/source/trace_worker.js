/** The program of a worker: a trace file that it reads and evaluates, away from the page. */

import { BadFile } from "./bad_file.js";
import { TraceMaps } from "./trace_maps.js";

/** @typedef {import("./worker_maps.js").Question} Question */

const TURN = 30; // milliseconds until it hears who no longer waits

/** @type {TraceMaps} */
let maps;
/** @type {Map<number, AbortController>} what is under way */
const running = new Map();

/** @type {Record<string, (signal: AbortSignal, ...given: any[]) => unknown>} */
const ANSWERS = {
  open: async (signal, file, name) => {
    const buffer = await file.arrayBuffer().catch(() => {
      throw new BadFile("badUnread", { file: name });
    });
    maps = await TraceMaps.open(buffer, name, TURN, signal);
    return maps.summary;
  },
  tensors: (_, site, layer) => maps.tensors(site, layer),
  weights: (signal, site, layer, part, rows, cols, measure) => maps.weights(site, layer, part, signal, rows, cols, measure),
  window: (signal, site, head, rows, cols, measure) => maps.window(site, head, rows, cols, signal, measure),
  heads: (signal) => maps.heads(signal),
  thumbnails: (signal, site, size, measure) => maps.thumbnails(site, size, signal, measure),
  tiles: (signal, sheet, level, tiles, measure) => maps.tiles(sheet, level, tiles, signal, measure),
  known: () => maps.known(),
  estimated: () => maps.estimated(),
};

/** The memory that can leave for the page instead of being copied. @param {unknown} value @returns {ArrayBuffer[]} */
function memoryOf(value) {
  if (ArrayBuffer.isView(value)) return [/** @type {ArrayBuffer} */ (value.buffer)];
  if (typeof value !== "object" || value === null || value === maps?.summary) return [];
  return Object.values(value).flatMap(memoryOf);
}

/** @param {unknown} error @returns {import("./worker_maps.js").Failure} */
const failure = (error) =>
  error instanceof BadFile ? { reason: error.reason, values: error.values } : { message: String(error) };

/** @param {MessageEvent<Question>} event */
async function hear({ data: { id, ask, given } }) {
  if (ask === "stop") return running.get(id)?.abort();
  const controller = new AbortController();
  running.set(id, controller);
  try {
    const value = await ANSWERS[ask](controller.signal, ...given);
    postMessage({ id, value }, { transfer: memoryOf(value) });
  } catch (error) {
    postMessage({ id, failure: failure(error) });
  } finally {
    running.delete(id);
  }
}

addEventListener("message", hear);
postMessage({ id: 0 }); // it began
