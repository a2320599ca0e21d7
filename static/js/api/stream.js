/** Server-sent events of an answer while it is written. */

import { Problem, request, Unreachable } from "./request.js";

/** @typedef {import("../types.js").Axis} Axis */
/** @typedef {import("../types.js").Prediction} Prediction */
/**
 * @typedef {{site: string, query: number, row: number[] | number[][]}} Row of a map that was asked for
 * @typedef {{name: "start", data: {axes: Record<string, Axis>}}
 *   | {name: "token", data: {index: number, label: string, text: string, attention?: Row[]}}
 *   | {name: "end", data: {trace: string}}} StreamEvent
 */

/**
 * @param {object} body of a prediction
 * @param {AbortSignal} signal
 * @returns {AsyncGenerator<StreamEvent, void>}
 * @throws {Problem | Unreachable} also when it fails, or breaks off, in the middle
 */
export async function* written(body, signal) {
  const headers = { "Content-Type": "application/json" };
  const options = { method: "POST", headers, body: JSON.stringify({ ...body, stream: true }), signal };
  const response = await request("v1/predict", options);
  let ended = false;
  for await (const { name, data } of eventsOf(/** @type {ReadableStream<Uint8Array>} */ (response.body))) {
    if (name === "error") throw new Problem(data.status, data);
    ended = name === "end";
    yield /** @type {StreamEvent} */ ({ name, data });
  }
  if (!ended) throw new Unreachable("the stream broke off before its end");
}

/**
 * The events of a stream (WHATWG HTML, 9.2.6, as far as the service writes it: comments, names, a line of JSON).
 *
 * @param {ReadableStream<Uint8Array>} stream
 * @returns {AsyncGenerator<{name: string, data: any}, void>}
 */
export async function* eventsOf(stream) {
  const reader = stream.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      rest += decoder.decode(value, { stream: !done });
      const blocks = rest.split("\n\n");
      rest = blocks.pop() ?? "";
      for (const block of blocks) {
        const fields = new Map(block.split("\n").map((line) => /** @type {[string, string]} */ (fieldOf(line))));
        const data = fields.get("data");
        if (data) yield { name: fields.get("event") ?? "message", data: JSON.parse(data) };
      }
      if (done) return;
    }
  } finally {
    await reader.cancel().catch(() => {}); // whoever stops reading lets the service stop writing
  }
}

/** A line's name and value; a comment has no name. @param {string} line */
function fieldOf(line) {
  const colon = line.indexOf(":");
  return [line.slice(0, colon), line.slice(colon + 1).replace(/^ /, "")];
}
