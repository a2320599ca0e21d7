/** A view of the stage: which parts of its context an answer used, by score, and what really taking them away does. */

import { asError, isAbort, request } from "../../api/request.js";
import { HttpSource } from "../../source/http_source.js";
import { t } from "../../text/i18n.js";
import { writtenOf } from "../../text/texts.js";
import { fillSelect } from "../../views/controls.js";
import { byId, element } from "../../views/dom.js";
import { waiting } from "../../views/notices.js";
import { nats } from "../stepping/candidates.js";
import { askedOf, piecesOf, shares } from "./parts.js";

/** @typedef {import("../../source/session.js").Session} Session */
/** @typedef {import("./parts.js").Asked} Asked */
/** @typedef {import("./parts.js").Sources} Found */

const CHECKED = 3; // of each method's best are really taken away
const ABLATIONS = 32;
const QUICK = ["gradient"];
const THOROUGH = ["gradient", "ablation", "attention"];
const UNITS = ["sentences", "passages"];

/** @implements {Pick<import("../../features.js").Feature, "translate" | "answered" | "open" | "view">} */
export class Sources {
  /** @param {import("../../features.js").Page} page */
  constructor({ explorer }) {
    this.explorer = explorer;
    this.view = "sources";
    /** @type {Session | null} */
    this.session = null;
    /** @type {Asked | null} */
    this.asked = null;
    /** @type {Found | null} */
    this.found = null;
    this.methods = QUICK;
    this.method = QUICK[0];
    this.by = UNITS[0];
    this.turn = 0;
    this.caption = element("h2", { class: "caption" });
    this.units = element("select", { id: "sources-by", on: { change: () => this.regroup() } });
    this.choice = element("select", { id: "sources-method", on: { change: () => this.choose() } });
    this.more = element("button", { type: "button", class: "small", id: "sources-more", on: { click: () => this.fit() } });
    this.note = element("p", { class: "quiet small tabular", id: "sources-note", role: "status" });
    this.text = element("p", { class: "sources-text", id: "sources-text", dir: "auto" });
    this.question = element("p", { class: "sources-question", dir: "auto" });
    this.top = element("ol", { class: "sources-top", id: "sources-top" });
    const bar = element("div", { class: "sources-bar" }, this.caption, this.units, this.choice, this.more);
    const read = element("div", {}, this.text, this.question);
    const room = element("div", { class: "sources-room" }, read, this.top);
    this.root = element("section", { class: "sources overlay", id: "sources", hidden: true }, bar, this.note, room);
    byId("stage").append(this.root);
  }

  /** In the page's language. */
  translate() {
    this.root.setAttribute("aria-label", t("view_sources"));
    this.caption.textContent = t("sourcesTitle");
    this.more.textContent = t("sourcesMore", { n: ABLATIONS });
    this.units.setAttribute("aria-label", t("sourcesBy"));
    this.choice.setAttribute("aria-label", t("sourcesMethod"));
    fillSelect(this.units, UNITS.map((name) => [name, t(`sources_${name}`)]));
    this.units.value = this.by;
    this.offer();
    this.show();
  }

  /** @param {Session | null} session */
  answered(session) {
    this.session = session;
    this.asked = session && session.source instanceof HttpSource ? askedOf(session) : null;
    this.found = null;
    this.methods = QUICK;
    this.turn += 1;
    this.offer();
    if (this.asked) return this.open(this.explorer.state.view === this.view);
    this.root.hidden = true;
    if (this.explorer.state.view !== this.view) return;
    this.explorer.record({ view: "" }, "replace"); // another task has no context
    this.explorer.beside.see("");
  }

  /** The choice of views has this one where there is a context. */
  offer() {
    const input = byId("view").querySelector("input[value=sources]");
    const label = input?.closest("label");
    if (label) label.hidden = this.asked === null;
  }

  /** The view is chosen, or another one. @param {boolean} active */
  open(active) {
    this.root.hidden = !active || !this.asked;
    if (!this.root.hidden && !this.found) this.look();
  }

  regroup() {
    this.by = this.units.value;
    this.found = null;
    this.look();
  }

  choose() {
    this.method = this.choice.value;
    this.show();
  }

  /** By every method: fits to passes without random parts of the context, too. */
  fit() {
    this.methods = THOROUGH;
    this.found = null;
    this.look();
  }

  /** Asks the service, once for each answer and way. */
  async look() {
    const { session, asked, by, methods } = this;
    if (!session || !asked) return;
    const turn = (this.turn += 1);
    const settled = waiting();
    this.note.textContent = t("sourcesBusy");
    this.more.hidden = true;
    const { answer, text } = writtenOf(session.summary.prediction);
    const given = answer ?? text;
    const body = {
      ...asked,
      model: session.summary.model,
      ...(given?.trim() ? { answer: given } : {}),
      by,
      method: methods,
      check: CHECKED,
      ablations: methods === QUICK ? 0 : ABLATIONS,
    };
    const headers = { "Content-Type": "application/json" };
    const { signal } = session.controller;
    try {
      const response = await request("v1/sources", { method: "POST", headers, body: JSON.stringify(body), signal });
      const found = await response.json();
      if (turn !== this.turn) return;
      this.found = found;
      if (!methods.includes(this.method)) this.method = methods[0];
      this.show();
    } catch (error) {
      if (turn !== this.turn || isAbort(error)) return;
      this.text.replaceChildren(asked.context);
      this.top.replaceChildren();
      this.note.textContent = asError(error).message;
    } finally {
      settled();
    }
  }

  show() {
    const { found, asked, method } = this;
    if (!found || !asked) return;
    const names = Object.keys(found.methods);
    fillSelect(this.choice, names.map((name) => [name, t(`sources_${name}`)]));
    this.choice.value = method;
    this.more.hidden = names.length > 1;
    const weights = shares(found.spans, method);
    this.text.replaceChildren(
      ...piecesOf(asked.context, found.spans).map(({ text, span }) => {
        if (span === null) return text;
        const score = found.spans[span].scores[method];
        const kind = weights[span] < 0 ? "source-span against" : "source-span";
        const node = element("span", { class: kind, title: t("sourceScore", { score: nats(score, 3) }), data: { span } }, text);
        node.style.setProperty("--light", Math.max(weights[span], 0).toFixed(3));
        return node;
      }),
    );
    this.question.textContent = asked.question;
    const { top, agreement } = found.methods[method];
    this.top.replaceChildren(...top.map((place) => this.item(found, place, method)));
    const all = t("sourcesFound", { answer: found.answer, sum: nats(found.log_probability, 3), n: found.passes });
    this.note.textContent = agreement === null ? all : `${all} ${t("sourcesAgreement", { rho: nats(agreement) })}`;
  }

  /** One of the best, and the answer with and without it. @param {Found} found @param {number} place @param {string} method */
  item(found, place, method) {
    const { text, scores, checked } = found.spans[place];
    const change = checked
      ? t("sourceChecked", {
          before: nats(checked.before, 3),
          after: nats(checked.after, 3),
          by: nats(checked.after - checked.before, 3),
        })
      : "";
    return element(
      "li",
      {},
      element("p", { class: "source-text", dir: "auto", title: text }, text),
      element("p", { class: "quiet small tabular" }, t("sourceScore", { score: nats(scores[method], 3) })),
      element("p", { class: "small tabular" }, change),
    );
  }
}
