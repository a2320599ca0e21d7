/** A chat in turns: what was said, and a box to go on with; each question of the reader's can be asked anew. */

import { HttpSource } from "../source/http_source.js";
import { t } from "../text/i18n.js";
import { writtenOf } from "../text/texts.js";
import { byId, element } from "../views/dom.js";
import { turnsOf } from "./draft.js";

/** @typedef {import("../source/session.js").Session} Session */
/** @typedef {import("../types.js").Draft} Draft */
/** @typedef {import("./draft.js").Turn} Turn */

const ROLES = ["user", "assistant", "system"];

/**
 * All that was said, the last question and its answer with it.
 *
 * @param {Session} session
 * @returns {Turn[]}
 */
export function saidIn({ draft, summary }) {
  const { text: answer = "" } = writtenOf(summary.prediction);
  const question = { role: "user", content: draft.fields.text ?? "" };
  return [...turnsOf(draft.parameters.turns), question, { role: "assistant", content: answer.trim() }];
}

/** @implements {Pick<import("../features.js").Feature, "translate" | "answered">} */
export class Conversation {
  /** @param {import("../features.js").Page} page */
  constructor({ form, run }) {
    this.form = form;
    this.run = run;
    /** @type {Session | null} */
    this.session = null;
    this.title = element("summary", { class: "caption" });
    this.list = element("ol", { class: "turns", id: "turns" });
    this.box = element("textarea", { id: "reply", rows: 1, dir: "auto", autocomplete: "off" });
    this.send = element("button", { type: "button", class: "small", id: "reply-send", on: { click: () => this.reply() } });
    this.reset = element("button", {
      type: "button",
      class: "plain small",
      id: "conversation-reset",
      on: { click: () => this.begin() },
    });
    this.box.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      event.stopPropagation(); // Ctrl+Enter would ask the form's question once more
      this.reply();
    });
    const line = element("div", { class: "reply" }, this.box, this.send, this.reset);
    this.said = element("details", {}, this.title, this.list);
    this.root = element("section", { class: "conversation", id: "conversation", hidden: true }, this.said, line);
    byId("result").append(this.root);
  }

  /** In the page's language. */
  translate() {
    this.title.textContent = t("conversation");
    this.root.setAttribute("aria-label", t("conversation"));
    this.box.placeholder = t("replyPlaceholder");
    this.box.setAttribute("aria-label", t("replyPlaceholder"));
    this.send.textContent = t("replySend");
    this.reset.textContent = t("conversationReset");
    this.show();
  }

  /** @param {Session | null} session */
  answered(session) {
    this.session = session;
    this.show();
  }

  show() {
    const { session } = this;
    this.root.hidden = !session?.draft.parameters.chat || !(session.source instanceof HttpSource);
    if (!session || this.root.hidden) return;
    const said = saidIn(session);
    this.title.textContent = t("conversationTurns", { n: said.length });
    this.list.replaceChildren(...said.map((turn, place) => this.item(turn, place, said)));
    this.list.scrollTop = this.list.scrollHeight;
  }

  /** @param {Turn} turn @param {number} place @param {Turn[]} said */
  item({ role, content }, place, said) {
    const known = ROLES.includes(role) ? role : "user";
    const name = element("span", { class: "quiet small" }, t(known));
    const text = element("span", { class: "turn-text", dir: "auto" }, content);
    if (role !== "user") return element("li", { class: `turn ${known}` }, name, text);
    const edit = element(
      "button",
      {
        type: "button",
        class: "plain small",
        title: t("turnEditTitle"),
        on: { click: () => this.edit(said.slice(0, place), content) },
      },
      t("turnEdit"),
    );
    return element("li", { class: `turn ${known}` }, name, text, edit);
  }

  /** The next question, after all that was said. */
  reply() {
    const { session } = this;
    const text = this.box.value.trim();
    if (!session || !text) return;
    this.box.value = "";
    this.put(saidIn(session), text);
    this.run({});
  }

  /** One of the reader's own turns goes back to the form; what came after it is dropped. @param {Turn[]} before @param {string} text */
  edit(before, text) {
    this.put(before, text);
    this.form.inputs.focus();
  }

  /** Nothing was said yet. */
  begin() {
    this.edit([], "");
    this.root.hidden = true;
  }

  /** @param {Turn[]} turns @param {string} text */
  put(turns, text) {
    const { session } = this;
    if (!session) return;
    /** @type {Draft["parameters"]} */
    const parameters = { ...session.draft.parameters, turns: turns.length ? JSON.stringify(turns) : "" };
    delete parameters.prefix; // of another answer
    delete parameters.given_answer;
    this.form.inputs.fill({ ...session.draft, fields: { ...session.draft.fields, text }, parameters });
    this.form.stale();
  }
}
