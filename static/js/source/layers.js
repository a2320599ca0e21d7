/** The tensors of a session's layer: the trace file, fetched once and only when somebody asks how a weight arose. */

import { request } from "../api/request.js";
import { tracePath } from "../api/routes.js";
import { TraceFile } from "./trace_file.js";

/** @typedef {import("./session.js").Session} Session */

/** @type {WeakMap<Session, Promise<TraceFile>>} */
const files = new WeakMap();

/**
 * @param {Session} session
 * @param {string} site
 * @param {number} layer
 * @returns {Promise<import("./evaluate.js").LayerMaps>}
 */
export async function layerOf(session, site, layer) {
  let file = files.get(session);
  if (!file) {
    file = session.alive(() => fetched(session));
    files.set(session, file);
    file.catch(() => files.delete(session));
  }
  return (await file).layer(site, layer);
}

/** @param {Session} session */
async function fetched({ summary, controller }) {
  const response = await request(`${tracePath(summary.id)}/file`, { signal: controller.signal });
  return new TraceFile(await response.arrayBuffer());
}
