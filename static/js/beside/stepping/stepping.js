/**
 * Steps through the writing of an answer, token by token: what is written so far is told from what is not, the row from
 * which the next token is chosen is kept, and the likeliest tokens at that place can be chosen instead.
 */

import { asError, isAbort } from "../../api/request.js";
import { optionsOf } from "../../input/tasks.js";
import { foretells, likeliest } from "../../source/likeliest.js";
import { t } from "../../text/i18n.js";
import { writtenOf } from "../../text/texts.js";
import { announce } from "../../views/controls.js";
import { byId, element, setText } from "../../views/dom.js";
import { stepWriting, stopWriting, toggleWriting, translateWriting } from "../../views/watching.js";
import { candidateItems, nats, scoreItems, shownToken } from "./candidates.js";
import { givenOf, idsOf, outputOf, rowOf } from "./output.js";

/** @typedef {import("../../source/likeliest.js").OutputPlace} OutputPlace */
/** @typedef {import("../../source/session.js").Session} Session */
/** @typedef {import("../../types.js").HeadMap} HeadMap */
/** @typedef {import("./output.js").Output} Output */

const PACE = 700; // milliseconds a token while it plays

/** @implements {Pick<import("../../features.js").Feature, "translate" | "answered" | "use" | "keys">} */
export class Stepping {
  /** @param {import("../../features.js").Page} page */
  constructor({ explorer, form, run }) {
    this.explorer = explorer;
    this.form = form;
    this.run = run;
    /** @type {Session | null} */
    this.session = null;
    /** @type {Output | null} */
    this.output = null;
    /** @type {HeadMap | null} */
    this.map = null;
    this.site = "";
    /** @type {number | null} the place that is written next; as many as there are: all is written; null: not stepping */
    this.at = null;
    /** @type {number | null} where to be once the answer that was asked for is there */
    this.wanted = null;
    /** @type {OutputPlace[] | null} */
    this.places = null;
    this.timer = 0;
    /** @param {string} id @param {() => void} click */
    const button = (id, click) => element("button", { type: "button", class: "small step-button", id, on: { click } });
    this.back = button("step-back", () => this.step(-1));
    this.playing = button("step-play", () => this.toggle());
    this.on = button("step-on", () => this.step(1));
    this.slider = element("input", {
      type: "range",
      id: "step-at",
      min: "0",
      step: "1",
      on: { input: () => this.scrub() },
    });
    this.place = element("span", { class: "quiet small tabular", id: "step-place" });
    this.further = button("step-further", () => this.goFurther());
    this.free = button("step-free", () => this.begin(null));
    this.candidates = element("ol", { class: "candidates", id: "candidates" });
    this.total = element("span", { class: "tabular", id: "score-total" });
    this.unfold = button("score-open", () => this.openScores(this.scores.hidden === true));
    this.list = element("ol", { class: "scores", id: "scores" });
    this.scores = element("div", { id: "score-list", hidden: true }, element("p", { class: "small" }, this.total), this.list);
    const line = element("div", { class: "stepping-line" }, this.slider, this.place, this.further, this.free);
    this.root = element("section", { class: "stepping", id: "stepping", hidden: true }, line, this.candidates, this.scores);
    this.controls = element("div", { class: "step-controls", id: "step-controls", role: "group", hidden: true });
    this.controls.append(this.back, this.playing, this.on, this.unfold);
    byId("hover-line").before(this.controls);
    byId("hover-line").after(this.root);
    this.keys = {
      keyStepOn: () => stepWriting(1) || this.step(1),
      keyStepBack: () => stepWriting(-1) || this.step(-1),
      keyPlayWriting: () => toggleWriting() || this.toggle(),
      keyStop: () => stopWriting(),
    };
  }

  /** In the page's language. */
  translate() {
    translateWriting();
    for (const part of [this.root, this.controls]) part.setAttribute("aria-label", t("stepping"));
    setText(this.back, "‹");
    setText(this.on, "›");
    setText(this.further, t("stepFurther"));
    setText(this.free, t("stepFree"));
    setText(this.unfold, t("scoreList"));
    this.unfold.title = t("scoreListTitle");
    this.unfold.setAttribute("aria-label", t("scoreListTitle"));
    this.slider.setAttribute("aria-label", t("stepping"));
    for (const [button, name] of /** @type {const} */ ([[this.back, "keyStepBack"], [this.on, "keyStepOn"]])) {
      button.title = t(name);
      button.setAttribute("aria-label", t(name));
    }
    this.show();
  }

  /** @param {Session | null} session */
  answered(session) {
    if (session !== this.session) this.arrive(session);
    const { wanted, output } = this;
    this.wanted = null;
    if (output && wanted !== null) this.go(wanted);
  }

  /** Another answer; its controls stand before its map is drawn, so that nothing moves. @param {Session | null} session */
  arrive(session) {
    this.pause();
    this.session = session;
    this.output = session && outputOf(session);
    this.places = null;
    this.at = null;
    this.controls.hidden = this.output === null;
    this.candidates.replaceChildren();
    this.list.replaceChildren();
    setText(this.total, "");
    const knows = session !== null && foretells(session);
    this.unfold.hidden = !knows;
    this.openScores(knows && Boolean(session.draft.parameters.given_answer));
  }

  /** Shows or hides what each token was worth. @param {boolean} open */
  openScores(open) {
    this.scores.hidden = !open;
    this.unfold.setAttribute("aria-expanded", String(open));
    if (open) this.foretell();
    this.show();
  }

  /** @param {import("../../features.js").Shown} shown */
  use({ session, state, map }) {
    this.map = map;
    this.site = state.site;
    if (session !== this.session) this.arrive(session);
    this.show();
  }

  /** @param {number} by tokens */
  step(by) {
    const { output } = this;
    if (!output) return;
    this.pause();
    this.go((this.at ?? (by > 0 ? -1 : output.count)) + by);
  }

  scrub() {
    this.pause();
    this.go(Number(this.slider.value));
  }

  /** Plays on, or pauses. */
  toggle() {
    const { output } = this;
    if (!output) return;
    if (this.timer) return this.pause();
    if (this.at === null || this.at >= output.count) this.go(0);
    this.timer = window.setInterval(() => {
      this.go((this.at ?? 0) + 1);
      if ((this.at ?? 0) >= output.count) this.pause();
    }, PACE);
    this.show();
  }

  pause() {
    if (!this.timer) return;
    clearInterval(this.timer);
    this.timer = 0;
    this.show();
  }

  /** Shows the writing as it was before a place was written. @param {number} place */
  go(place) {
    const { output, session, map } = this;
    if (!output || !session) return;
    this.at = Math.min(Math.max(place, 0), output.count);
    this.foretell();
    const row = this.site && this.at < output.count ? rowOf(session, this.site, output, this.at) : null;
    if (row !== null && row >= 0) {
      const cell = { row, col: map ? strongest(map, row) ?? this.explorer.kept.col : this.explorer.kept.col };
      this.explorer.record(cell, "replace");
      this.explorer.keep(cell);
    }
    this.show();
    announce(this.place.textContent ?? "");
  }

  /** Asks, once an answer, what else could have been written. */
  async foretell() {
    const { session } = this;
    if (this.places || !session || !foretells(session)) return;
    try {
      const places = await likeliest(session);
      if (session !== this.session) return;
      this.places = places;
      this.showScores();
      this.show();
    } catch (error) {
      if (session !== this.session || isAbort(error)) return;
      this.candidates.replaceChildren(element("li", { class: "quiet small" }, asError(error).message));
    }
  }

  showScores() {
    const { output, places } = this;
    if (!output || !places) return;
    this.list.replaceChildren(...scoreItems(places, output.axis, (place) => this.go(place)));
    const sum = places.reduce((total, { written }) => total + written.log_probability, 0);
    const each = nats(sum / places.length, 3);
    setText(this.total, t("scoreTotal", { sum: nats(sum, 3), each }));
  }

  /** Words, candidates and controls say where the writing is. */
  show() {
    const { output, session, at } = this;
    if (!output || !session) {
      this.root.hidden = true;
      return;
    }
    this.mark();
    const playing = this.timer !== 0;
    setText(this.playing, playing ? "❚❚" : "▶");
    const play = t(playing ? "stepPause" : "stepPlay");
    this.playing.title = play;
    this.playing.setAttribute("aria-label", play);
    this.playing.setAttribute("aria-pressed", String(playing));
    const now = at ?? output.count;
    this.slider.max = String(output.count);
    this.slider.value = String(now);
    this.back.disabled = now === 0;
    this.on.disabled = at !== null && now === output.count;
    const given = givenOf(session, output);
    const whole = given === output.count;
    const token = now < output.count ? shownToken(output.axis, output.axis.labels[output.told + now]) : "";
    const place = now < output.count ? t("stepPlace", { n: now + 1, of: output.count, token }) : t(whole ? "stepWhole" : "stepDone", { n: output.count });
    setText(this.place, place);
    this.slider.setAttribute("aria-valuetext", place);
    const begins = this.canBegin();
    this.free.hidden = !begins || given === 0 || whole;
    this.free.title = t("stepGiven", { n: given });
    this.further.hidden = !begins || writtenOf(session.summary.prediction).finish_reason !== "length";
    this.root.hidden = at === null && this.scores.hidden && this.further.hidden && this.free.hidden;
    this.slider.hidden = this.place.hidden = at === null && this.scores.hidden;
    this.candidates.hidden = at === null || now >= output.count || !foretells(session);
    const here = this.places?.[now];
    if (here && !this.candidates.hidden)
      this.candidates.replaceChildren(
        ...candidateItems(here, output.axis, begins ? ({ id }) => this.begin(id) : null),
      );
  }

  /** Tells the words that are written from those that are not, and those that were given. */
  mark() {
    const { output, session, at } = this;
    if (!output || !session) return;
    const given = givenOf(session, output);
    for (const { name, words } of this.explorer.beside.sentences.texts) {
      const mine = output.name === "tokens" || name === "target";
      for (const { node, tokens } of words) {
        if (!node || !mine || !tokens.length) continue;
        const [first, last] = [tokens[0] - output.told, tokens[tokens.length - 1] - output.told];
        node.classList.toggle("unwritten", at !== null && first > at);
        node.classList.toggle("next-word", at !== null && first <= at && at <= last);
        node.classList.toggle("given-word", first >= 0 && last < given);
      }
    }
  }

  /** Whether the model goes on from a given beginning. */
  canBegin() {
    const { session } = this;
    return session !== null && foretells(session) && "prefix" in optionsOf(session.model);
  }

  /** Writes anew: with another token here and on from there, or freely. @param {number | null} token */
  begin(token) {
    const { session, output } = this;
    if (!session || !output || !this.canBegin()) return;
    const parameters = { ...session.draft.parameters };
    delete parameters.prefix;
    delete parameters.given_answer;
    const at = this.at ?? output.count;
    /** @type {import("../../types.js").Draft["parameters"]} */
    const begun = token === null ? {} : { prefix: [...idsOf(output).slice(0, at), token] };
    this.wanted = token === null ? null : at + 1;
    this.ask({ ...parameters, ...begun });
  }

  /** Goes on where the output was cut: up to what was allowed before it was stopped, or by as much again. */
  goFurther() {
    const { session, output } = this;
    if (!session || !output) return;
    const { parameters, written } = session.draft;
    this.wanted = output.count;
    const longer = { ...parameters, max_new_tokens: 2 * (output.count - givenOf(session, output)) };
    this.ask(written ? parameters : longer);
  }

  /** @param {import("../../types.js").Draft["parameters"]} parameters */
  ask(parameters) {
    const { session } = this;
    if (!session) return;
    this.form.inputs.fill({ ...session.draft, parameters });
    this.run({});
  }
}

/** The key that a query looks at most; null where its row is not in the page. @param {HeadMap} map @param {number} row */
function strongest({ weights, cols, from = 0 }, row) {
  const start = (row - from) * cols;
  if (start < 0 || start + cols > weights.length) return null;
  let best = 0;
  for (let col = 1; col < cols; col++) if (weights[start + col] > weights[start + best]) best = col;
  return best;
}
