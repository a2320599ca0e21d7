/** What else the model could have written at each place of its output, with probabilities: one pass, asked for once. */

import { request } from "../api/request.js";
import * as routes from "../api/routes.js";
import { bodyOf } from "../input/draft.js";
import { HttpSource } from "./http_source.js";

/** @typedef {import("./session.js").Session} Session */
/**
 * @typedef {object} Candidate
 * @property {string} token
 * @property {number} id
 * @property {number} probability
 * @property {number} log_probability in nats
 *
 * @typedef {object} OutputPlace
 * @property {number} position
 * @property {Candidate & {rank: number}} written
 * @property {Candidate[]} tokens the likeliest first
 */

const COUNT = 5;

/**
 * Whether a service can be asked: a trace's file says nothing of what was not written, and a pass over a picture or a
 * recording needs that once more.
 *
 * @param {Session} session
 */
export const foretells = (session) => session.source instanceof HttpSource && !session.lacksMedia();

/** @param {Session} session @returns {Promise<OutputPlace[]>} */
export function likeliest(session) {
  const { source, draft, model, controller } = session;
  if (!(source instanceof HttpSource)) return Promise.resolve([]);
  const { signal } = controller;
  const headers = { "Content-Type": "application/json" };
  const inputs = draft.media ? { inputs: bodyOf(draft, model).inputs } : {};
  const body = JSON.stringify({ count: COUNT, ...inputs });
  return session.keep(
    "likeliest",
    () =>
      source.alive(signal, async () => {
        const path = `${routes.tracePath(source.summary.id)}/likeliest`;
        return (await (await request(path, { method: "POST", headers, body, signal })).json()).places;
      }),
    0,
  );
}
