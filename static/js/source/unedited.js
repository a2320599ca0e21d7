/** The answer that an edited one is held against: the same input, with nothing changed in the pass. */

import { Session } from "./session.js";

/** @type {WeakMap<Session, Promise<Session>>} */
const known = new WeakMap();

/** Whether there is a service that could make a pass again, and all that it needs for that. @param {Session} session */
export function isAskable(session) {
  const [{ name }] = session.summary.sites.length ? session.summary.sites : [{ name: "" }];
  return session.source.path(name, { layer: 0, head: 0 }, "json") !== null && !session.lacksMedia();
}

/** The session of the unedited pass; asked for once. @param {Session} session @returns {Promise<Session>} */
export function unedited(session) {
  if (!session.draft.edits?.length) return Promise.resolve(session);
  const before = known.get(session);
  if (before) return before;
  const promise = Session.open({ ...session.draft, edits: [] }, session.model, session.controller.signal);
  promise.catch(() => known.delete(session));
  known.set(session, promise);
  return promise;
}
