/** The answers that one can be compared with: asked for here, or opened by their traces. */

import { keptEdits } from "../../input/draft.js";
import { taskOf } from "../../input/tasks.js";
import { Session } from "../../source/session.js";
import { unedited } from "../../source/unedited.js";
import { HERE, UNEDITED } from "./other.js";

/** @typedef {import("../../types.js").Draft} Draft */
/** @typedef {import("../../types.js").Field} Field */
/** @typedef {import("../../types.js").Model} Model */

const MOST = 8; // answers that are kept, the latest used

/** The field of a draft that another input would be typed into; null where the input is no text. @param {Session} session @returns {Field | null} */
export function fieldOf({ model, draft }) {
  const { fields } = taskOf(model);
  if (!model || draft.media) return null;
  return /** @type {Field[]} */ (["text", "question", "source"]).find((field) => fields.includes(field)) ?? null;
}

export class Sides {
  constructor() {
    /** @type {Map<string, {session: Promise<Session>, text: string}>} by their traces' ids */
    this.known = new Map();
  }

  /** @param {string} id @param {Promise<Session>} session @param {string} text what it is called */
  keep(id, session, text) {
    this.known.delete(id);
    this.known.set(id, { session, text });
    if (this.known.size > MOST) this.known.delete(/** @type {string} */ (this.known.keys().next().value));
  }

  /** What an answer is called, where this page knows. @param {string} id */
  textOf(id) {
    return this.known.get(id)?.text ?? "";
  }

  /**
   * @param {Session} session on show
   * @param {string} from
   * @param {(name: string) => Model | undefined} find a model by its name
   * @returns {Promise<Session>}
   */
  of(session, from, find) {
    if (from === HERE || from === session.summary.id) return Promise.resolve(session);
    if (from === UNEDITED) return unedited(session);
    const before = this.known.get(from);
    if (before) return before.session;
    const blank = { model: "", fields: {}, media: null, parameters: {} }; // a trace does not say what it was asked by
    const opened = Session.reopen(from, blank, undefined, session.controller.signal).then((other) => {
      other.model = find(other.summary.model);
      return other;
    });
    opened.catch(() => this.known.delete(from));
    this.keep(from, opened, "");
    return opened;
  }

  /**
   * Asks for another input's answer, or another model's.
   *
   * @param {Session} session on show
   * @param {{text?: string, model?: Model}} wanted
   * @returns {Promise<Session>}
   */
  async ask(session, { text, model = session.model }) {
    const field = fieldOf(session);
    const fields = text !== undefined && field ? { ...session.draft.fields, [field]: text } : session.draft.fields;
    const same = model === session.model;
    /** @type {Draft} */
    const bare = { ...session.draft, fields, model: model?.name ?? "", parameters: same ? session.draft.parameters : {} };
    const draft = { ...bare, edits: keptEdits(bare, session.draft) };
    const other = await Session.open(draft, model, session.controller.signal);
    this.keep(other.summary.id, Promise.resolve(other), text ?? model?.name ?? "");
    return other;
  }
}
