/** The pair on show, word by word: what POST /v1/align makes of it, as lines and in Pharaoh's format. */

import { align } from "../api/routes.js";
import { asError, isAbort } from "../api/request.js";
import { arrange } from "../beside/ribbons/arrange.js";
import { drawLines, drawSide, frame, measureIn } from "../beside/ribbons/drawing.js";
import { directionOf } from "../beside/ribbons/units.js";
import { t } from "../text/i18n.js";
import { writtenOf } from "../text/texts.js";
import { copy, notice } from "../views/controls.js";
import { element, onceAFrame } from "../views/dom.js";
import { Trouble } from "../views/trouble.js";
import { Sheet, turnTo } from "./sheet.js";

/** @typedef {import("../api/routes.js").Aligned} Aligned */
/** @typedef {import("../beside/ribbons/units.js").Side} Side */
/** @typedef {import("../source/session.js").Session} Session */

const CROSS = "cross";
const MARGIN = 8; // around the words, for rings of the focus
const READ_BY = ["best", "shown"];
const JOINED = ["", "intersection", "union", "grow-diag-final"]; // links of one direction, or of both

export class Alignment extends Sheet {
  /** @param {import("../features.js").Page} page */
  constructor({ explorer, form }) {
    super("alignment", explorer);
    this.models = form.models;
    this.readBy = "best";
    /** @type {Aligned | null} */
    this.aligned = null;
    this.asked = ""; // by what it was read
    /** @type {AbortController | null} */
    this.controller = null;
    this.choices = element("div", { class: "choice", role: "radiogroup" });
    this.join = element("select", { id: "align-join", on: { change: () => this.load() } });
    this.joining = element("label", { class: "small", hidden: true }, element("span", { class: "quiet" }), this.join);
    this.by = element("span", { class: "small quiet tabular" });
    this.line = element("code", { class: "pharaoh", dir: "ltr" });
    this.copy = element("button", { type: "button", class: "small", on: { click: () => this.take() } });
    this.room = element("div", { class: "align-room" });
    this.list = element("ul", { class: "unseen" });
    this.trouble = new Trouble();
    const bar = element("div", { class: "sheet-bar" }, this.choices, this.joining, this.by);
    const pharaoh = element("div", { class: "pharaoh-line" }, element("span", { class: "caption" }, "Pharaoh"), this.line, this.copy);
    this.body.append(bar, this.trouble.root, this.room, this.list, pharaoh);
    this.keys = { keyAlignment: () => turnTo(explorer, "alignment") };
    const again = onceAFrame(() => this.draw());
    new ResizeObserver(() => this.active && again()).observe(this.room);
  }

  /** @override @param {Session} session */
  lack(session) {
    const site = session.findSite(CROSS);
    const words = site && session.summary.axes[site.keys].kind === "text" && session.summary.task === "translation";
    return super.lack(session) || (words ? "" : "alignmentLack");
  }

  /** @override @param {Session | null} session */
  taken(session) {
    super.taken(session);
    this.controller?.abort();
    this.aligned = null;
    this.asked = "";
    this.trouble.clear();
    this.draw();
  }

  /** @override */
  opened() {
    if (this.reason()) this.load();
  }

  /** @override @param {import("../features.js").Shown} shown */
  use(shown) {
    super.use(shown);
    this.print();
    if (this.active && this.readBy === "shown" && this.reason()) this.load();
  }

  /** The head that the reader looks at, where it is one that aligns. */
  get shown() {
    const { site, layer, head, over } = this.explorer.state;
    return site === CROSS && !over && layer !== null && head !== null ? { layer, head } : null;
  }

  /** The model that translates back, where one is served. */
  get reverse() {
    return reverseOf(this.models.list, this.session?.summary.model ?? "");
  }

  /** Asks the service, unless it has said so already. */
  async load() {
    const { session, shown, reverse } = this;
    if (!session) return;
    const joined = reverse && this.join.value ? { symmetrise: this.join.value, reverse } : {};
    const by = { ...(this.readBy === "shown" && shown ? shown : {}), ...joined };
    const asked = JSON.stringify(by);
    if (asked === this.asked && (this.aligned || this.trouble.error === null)) return;
    this.asked = asked;
    this.controller?.abort();
    const { signal } = (this.controller = new AbortController());
    this.trouble.clear();
    const { text = "" } = session.draft.fields;
    const { src_lang, tgt_lang } = session.draft.parameters;
    const parameters = { ...(src_lang ? { src_lang } : {}), ...(tgt_lang ? { tgt_lang } : {}) };
    const pair = [text, writtenOf(session.summary.prediction).text ?? ""];
    try {
      this.aligned = await align({ model: session.summary.model, pairs: [pair], parameters, ...by }, signal);
      if (!signal.aborted) this.draw();
    } catch (error) {
      if (signal.aborted || isAbort(error)) return;
      this.aligned = null;
      this.asked = "";
      this.draw();
      this.trouble.tell(asError(error), () => this.load());
    }
  }

  async take() {
    if (!this.aligned) return;
    notice((await copy(this.aligned.pharaoh)) ? t("pharaohCopied") : t("pharaohNotCopied"));
  }

  draw() {
    const { aligned, room } = this;
    this.print();
    if (!aligned || !this.active || room.clientWidth <= 2 * MARGIN) return room.replaceChildren();
    const { source, target, scores } = aligned;
    const lines = linksOf(aligned.pharaoh).map(([key, query], at) => ({ key, query, weight: scores[at], hue: 0 }));
    const sides = { keys: sideOf(source), queries: sideOf(target) };
    const size = { width: room.clientWidth - 2 * MARGIN, height: room.clientHeight - 2 * MARGIN };
    const arranged = arrange(sides, measureIn(room), size);
    /** @param {"keys" | "queries"} side */
    const words = (side) =>
      drawSide(side, sides[side], arranged[side], { title: t(`align_${side}`), labels: sides[side].units.map(({ text }) => text) });
    room.replaceChildren(frame(arranged, t("view_alignment"), [...drawLines(lines, arranged, 1, sides.keys), words("keys"), words("queries")]));
    for (const unit of room.querySelectorAll(".ribbon-unit")) unit.removeAttribute("tabindex"); // there is nothing to choose
    this.list.replaceChildren(
      ...lines.map(({ key, query, weight }) => element("li", {}, `${source[key]} – ${target[query]} ${(100 * weight).toFixed(0)}%`)),
    );
    room.dataset.links = String(lines.length);
  }

  /** What it was read by, and the line to take. */
  print() {
    const { aligned, shown } = this;
    for (const input of this.choices.querySelectorAll("input")) {
      input.checked = input.value === this.readBy;
      if (input.value === "shown") input.disabled = shown === null;
    }
    this.line.textContent = aligned ? aligned.pharaoh || t("alignNone") : "…";
    this.copy.disabled = !aligned?.pharaoh;
    this.joining.hidden = !this.reverse;
    const said = aligned ? t("alignBy", { by: headOf(aligned), reading: t(`alignReading_${aligned.reading}`) }) : "";
    this.by.textContent = aligned?.reverse ? t("alignJoined", { by: said, model: aligned.reverse }) : said;
  }

  /** @override */
  translate() {
    super.translate();
    this.choices.setAttribute("aria-label", t("alignRead"));
    this.choices.replaceChildren(
      ...READ_BY.map((value) => {
        const change = () => {
          this.readBy = value;
          this.load();
        };
        const input = element("input", { type: "radio", name: "align-by", value, on: { change } });
        return element("label", { class: "choice-item" }, input, element("span", {}, t(`align_${value}`)));
      }),
    );
    const { value: joined } = this.join;
    this.join.replaceChildren(...JOINED.map((value) => element("option", { value }, t(`alignJoin_${value || "none"}`))));
    this.join.value = joined;
    this.joining.children[0].textContent = `${t("alignJoin")} `;
    this.copy.textContent = t("pharaohCopy");
    this.trouble.translate();
    this.draw();
  }
}

/**
 * The model of the languages exchanged, as the service looks for it: the first that is loaded, else one that can be.
 *
 * @param {import("../types.js").Model[]} models
 * @param {string} name
 * @returns {string} empty where none is served
 */
export function reverseOf(models, name) {
  const { source, target } = models.find((model) => model.name === name)?.languages ?? {};
  const back = models.filter(
    ({ languages, state }) => source && target && languages?.source === target && languages.target === source && state !== "failed",
  );
  return (back.find(({ state }) => state === "loaded") ?? back[0])?.name ?? "";
}

/** Which head or heads. @param {Aligned} aligned */
function headOf({ layer, head }) {
  if (layer === "mean") return t("alignAll");
  return head === "mean" ? t("alignLayer", { layer }) : t("headName", { layer, head });
}

/** @param {string} pharaoh @returns {[number, number][]} places of source and target */
const linksOf = (pharaoh) =>
  pharaoh
    .split(" ")
    .filter(Boolean)
    .map((link) => /** @type {[number, number]} */ (link.split("-").map(Number)));

/** @param {string[]} words @returns {Side} */
const sideOf = (words) => ({
  kind: "words",
  direction: directionOf(words.join(" ")),
  units: words.map((text, at) => ({ text, tokens: [at], special: false, apart: at > 0 })),
});
