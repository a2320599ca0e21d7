/**
 * Translates while a sentence is typed: after each word that is finished, the words of the translation that are committed,
 * those that are held back, and the source word that each looks at, which decides.
 */

import { asError, isAbort } from "../../api/request.js";
import { simultaneous } from "../../api/routes.js";
import { t } from "../../text/i18n.js";
import { byId, element, setText } from "../../views/dom.js";
import { heard } from "./hearing.js";
import { wordsOf } from "./words.js";

/** @typedef {import("./words.js").Answer} Answer */
/** @typedef {import("./words.js").Decision} Decision */
/** @typedef {import("./words.js").TargetWord} TargetWord */

const PAUSE = 150; // milliseconds after a keystroke: whoever types fast finishes a word or two meanwhile
const FRAMES = [1, 2, 3, 4, 5, 6]; // words at the end that nothing is committed by
const OURS = ["transformer", "recurrent"]; // the architectures that answer

/** @implements {Pick<import("../../features.js").Feature, "translate" | "changed" | "keys">} */
export class Simultaneous {
  /** @param {import("../../features.js").Page} page */
  constructor({ form }) {
    this.form = form;
    this.on = false;
    this.frames = 2;
    this.timer = 0;
    this.failed = "";
    this.over = false; // whether the last word is whole, too
    /** @type {AbortController | null} of the answer that is waited for */
    this.pending = null;
    this.model = "";
    this.start = 0;
    /** @type {{text: string, final: boolean}} what the answer on show is of */
    this.asked = { text: "", final: false };
    /** @type {Answer | null} */
    this.answer = null;
    /** @type {Decision[]} of tokens that are committed */
    this.kept = [];
    /** @type {string[]} translations of the sentences before */
    this.before = [];
    this.button = element("button", {
      type: "button",
      class: "small live-button",
      id: "live",
      hidden: true,
      "aria-pressed": "false",
      "aria-controls": "simultaneous",
      on: { click: () => this.toggle() },
    });
    byId("run").after(this.button);
    this.caption = element("h2", { class: "caption" });
    this.choice = element("select", { id: "live-frames", on: { change: () => this.choose() } });
    this.label = element("span", { class: "quiet small" });
    const field = element("label", { class: "inline" }, this.label, this.choice);
    this.source = element("p", { class: "live-source", id: "live-source", dir: "auto" });
    this.target = element("p", { class: "live-target", id: "live-target", dir: "auto" });
    this.note = element("p", { class: "quiet small", id: "live-note", role: "status" });
    const bar = element("div", { class: "live-bar" }, this.caption, field);
    this.root = element("section", { class: "simultaneous", id: "simultaneous", hidden: true }, bar, this.source, this.target, this.note);
    byId("say").prepend(this.root);
    byId("input").addEventListener("input", () => this.typed());
    byId("form").addEventListener("submit", () => {
      this.over = true; // whoever asks has done with typing
      if (this.on) this.listen();
    });
    for (const event of /** @type {const} */ (["pointerover", "focusin"]))
      this.target.addEventListener(event, ({ target }) => this.light(/** @type {HTMLElement} */ (target)));
    for (const event of /** @type {const} */ (["pointerleave", "focusout"])) this.target.addEventListener(event, () => this.light(null));
    this.keys = { keyLive: () => this.button.hidden || this.toggle() };
  }

  /** In the page's language. */
  translate() {
    setText(this.button, t("live"));
    this.button.title = t("keyLive");
    setText(this.caption, t("liveTitle"));
    setText(this.label, t("liveFrames"));
    this.root.setAttribute("aria-label", t("liveTitle"));
    this.choice.replaceChildren(...FRAMES.map((count) => element("option", { value: String(count) }, String(count))));
    this.choice.value = String(this.frames);
    this.choice.title = t("liveFramesTitle");
    this.show();
  }

  /** Another model may be chosen: only some translate while one types. */
  changed() {
    const model = this.form.models.chosen();
    const able = model?.task === "translation" && OURS.includes(model.architecture ?? "");
    this.button.hidden = !able;
    if (!able && this.on) this.toggle();
    if (this.on && model?.name !== this.model) this.again();
  }

  toggle() {
    this.on = !this.on;
    this.button.setAttribute("aria-pressed", String(this.on));
    this.root.hidden = !this.on;
    this.again();
    if (this.on) this.form.inputs.focus();
  }

  choose() {
    this.frames = Number(this.choice.value);
    this.again();
  }

  /** From the first word on. */
  again() {
    this.before = [];
    this.begin(0);
    if (this.on) this.listen();
  }

  /** A sentence begins. @param {number} start in what is typed */
  begin(start) {
    this.pending?.abort();
    this.pending = null;
    this.start = start;
    this.asked = { text: "", final: false };
    this.answer = null;
    this.kept = [];
    this.failed = "";
    this.model = this.form.models.chosen()?.name ?? "";
    this.show();
  }

  typed() {
    clearTimeout(this.timer);
    this.over = false;
    if (this.on) this.timer = window.setTimeout(() => this.listen(), PAUSE);
  }

  /** Asks, where there is a word more, or another one than before. */
  async listen() {
    const said = heard(byId("input").value, this.over);
    if (said.start < this.start || (said.start === this.start && !said.text.startsWith(this.asked.text))) {
      this.before = []; // what is translated already reads otherwise now
      this.begin(said.start);
    } else if (said.start > this.start) {
      if (this.answer?.finished) this.before.push(this.answer.text);
      this.begin(said.start);
    }
    const { text, final } = this.asked;
    if (this.pending || !said.text || (said.text === text && (final || !said.final))) return;
    const controller = (this.pending = new AbortController());
    const policy = { kind: "alignatt", frames: this.frames };
    const body = { model: this.model, inputs: said.text, committed: this.answer?.committed ?? [], final: said.final, policy };
    this.asked = { text: said.text, final: said.final };
    try {
      const answer = await simultaneous(body, controller.signal);
      if (this.pending !== controller) return;
      this.kept.push(...answer.decisions.filter(({ committed }) => committed));
      this.answer = answer;
      this.failed = "";
    } catch (error) {
      if (isAbort(error) || this.pending !== controller) return;
      this.failed = asError(error).message;
    }
    this.pending = null;
    this.show();
    if (!this.failed) this.listen(); // more has been typed meanwhile
  }

  show() {
    const { answer } = this;
    const source = (answer?.source ?? []).flatMap(({ text, span }, place, all) => [
      place && all[place - 1].span[1] < span[0] ? " " : "",
      element("span", { class: "live-word", data: { place } }, text),
    ]);
    this.source.replaceChildren(...source);
    const words = this.words();
    const done = this.before.length ? [element("span", { class: "quiet" }, `${this.before.join(" ")} `)] : [];
    this.target.replaceChildren(
      ...done,
      ...words.flatMap((word, at) => [
        word.before,
        element(
          "span",
          { class: word.committed ? "live-word committed" : "live-word held", tabIndex: 0, data: { at }, title: this.reason(word) },
          word.text,
        ),
      ]),
    );
    this.light(null);
  }

  /** @returns {TargetWord[]} */
  words() {
    const { answer, kept } = this;
    return answer ? wordsOf([...kept, ...answer.decisions.filter(({ committed }) => !committed)], answer.draft) : [];
  }

  /** Lights the source word that a word looks at, and says why it stands or waits; of no word the first that waits. @param {HTMLElement | null} node */
  light(node) {
    const words = this.words();
    const at = node?.dataset.at;
    const word = at === undefined ? words.find(({ committed }) => !committed) : words[Number(at)];
    const looked = word?.decision.position ?? null;
    for (const each of this.source.querySelectorAll("span")) each.classList.toggle("looked", each.dataset.place === String(looked));
    setText(this.note, this.failed || (word ? this.reason(word) : this.state()));
  }

  /** What there is to say where no word waits. */
  state() {
    const { answer } = this;
    if (!answer) return t("liveBegin");
    if (answer.finished) return t("liveFinished");
    return t(answer.decisions.some(({ why }) => why === "end") ? "liveEnd" : "liveMore");
  }

  /** Why a word stands, or waits. @param {TargetWord} word */
  reason({ text, decision }) {
    const { position, weight, why } = decision;
    const source = position === null ? "" : (this.answer?.source[position]?.text ?? "");
    const name = why === "late" && position === null ? "live_past" : `live_${why}`;
    return t(name, { word: text, source, weight: weight === null ? "–" : weight.toFixed(2), f: this.frames });
  }
}
