/** What the heads' rail shows: pictures or effects, and chips of the kinds of heads that there are. */

import { asError, isAbort } from "../../api/request.js";
import { FileSource } from "../../source/file_source.js";
import { whyNoObjective } from "../../source/choose.js";
import { t } from "../../text/i18n.js";
import { choice, setChoice } from "../../views/controls.js";
import { byId, element, setText } from "../../views/dom.js";
import { askEffects, effectsHeld } from "./effects.js";
import { rounded } from "../cells.js";
import { KINDS, LEAST, leastOf } from "./kinds.js";

/** @typedef {import("../../source/session.js").Session} Session */
/** @typedef {import("../../types.js").State} State */

/** @type {("maps" | "effects")[]} */
const RAILS = ["maps", "effects"];

/** @implements {Pick<import("../../features.js").Feature, "translate" | "changed" | "use" | "heads" | "keys">} */
export class Rail {
  /** @param {import("../../features.js").Page} page */
  constructor({ explorer }) {
    this.explorer = explorer;
    /** @type {AbortController | null} of the effects under way */
    this.asking = null;
    /** @type {{session: Session, objective: string, message: string} | null} what went wrong, and with what */
    this.trouble = null;
    this.choice = element("div", { class: "choice", id: "rail-choice", role: "radiogroup" });
    this.listed = ""; // what the chips were last made of
    this.told = element("p", { class: "quiet small tabular", id: "rail-told", role: "status", hidden: true });
    this.measure = element("button", { type: "button", class: "small", id: "effects-measure", hidden: true, on: { click: () => this.press() } });
    this.chips = element("div", { class: "kinds", id: "kinds", role: "group" });
    byId("grid-room").before(element("div", { class: "rail-line" }, this.choice, this.measure), this.told, this.chips);
    this.keys = { keyEffects: () => this.turn(explorer.state.rail ? "maps" : "effects") };
  }

  /** In the page's language. */
  translate() {
    this.choice.setAttribute("aria-label", t("rail"));
    this.chips.setAttribute("aria-label", t("kinds"));
    choice("rail-choice", RAILS, (name) => t(`rail_${name}`), (name) => this.turn(name));
    for (const input of this.choice.querySelectorAll("input")) input.title = t(`rail_${input.value}Title`);
    this.changed(this.explorer.state);
  }

  /** @param {"maps" | "effects"} name what the heads show */
  turn(name) {
    this.explorer.go({ rail: name === "effects" ? name : "" }, "replace");
  }

  /** Heads of one kind are picked out, or all are alike again. @param {string} kind */
  pick(kind) {
    this.explorer.go({ kind: this.explorer.state.kind === kind ? "" : kind }, "replace");
  }

  /** The state is another one. @param {State} state */
  changed(state) {
    setChoice("rail-choice", state.rail || "maps");
    this.show();
  }

  /** Another map is on show. */
  use() {
    const { session, state } = this.explorer;
    if (session && this.wanted && !effectsHeld(session, state) && !this.failed) this.ask(false);
    this.show();
  }

  /** Which kinds of heads there are is known. */
  heads() {
    this.list();
  }

  /** Whether effects are to be seen. */
  get wanted() {
    const { rail, sort } = this.explorer.state;
    return rail === "effects" || sort === "effect";
  }

  /** What went wrong with these very effects. */
  get failed() {
    const { session, state } = this.explorer;
    return this.trouble?.session === session && this.trouble?.objective === state.objective ? this.trouble.message : null;
  }

  /** Measures, or stops doing so. */
  press() {
    if (this.asking) return this.asking.abort();
    this.ask(true);
  }

  /** @param {boolean} measured by a pass each */
  async ask(measured) {
    const { session, state } = this.explorer;
    if (!session) return;
    this.asking?.abort();
    const asking = (this.asking = new AbortController());
    const { objective } = state;
    this.trouble = null;
    this.show();
    try {
      await askEffects(session, objective, measured, asking.signal);
    } catch (error) {
      if (!isAbort(error)) this.trouble = { session, objective, message: asError(error).message };
    }
    if (this.asking === asking) this.asking = null;
    if (this.explorer.session === session) this.explorer.showMap("none");
    this.show();
  }

  /** What stands beside the heads. */
  show() {
    const { session, state } = this.explorer;
    const held = effectsHeld(session, state);
    this.choice.hidden = session === null || (whyNoObjective(session) !== null && !session.summary.objective);
    this.told.hidden = !this.wanted;
    const alone = session?.source instanceof FileSource; // nothing here can make a pass
    this.measure.hidden = state.rail !== "effects" || (!held && !this.asking) || alone;
    setText(this.measure, t(this.asking ? "effectsStop" : "effectsMeasure"));
    this.measure.title = t("effectsMeasureTitle");
    this.measure.disabled = held?.measured === true && !this.asking;
    const together = held?.together ?? null;
    this.told.textContent = this.asking
      ? t("effectsWait")
      : (this.failed ??
        (held
          ? t(held.measured ? "effectsMeasured" : "effectsEstimated", {
              value: rounded(held.value, 4),
              limit: rounded(held.unit.limit, 2),
              together: together === null ? "–" : together.toFixed(2),
            })
          : ""));
    this.list();
  }

  /** A chip for each kind that the site has heads of. */
  list() {
    const { explorer } = this;
    const { kind: picked, site } = explorer.state;
    const rows = explorer.look?.site.name === site ? explorer.look.rows : [];
    const least = (explorer.look ? leastOf(explorer.look.site) : LEAST).toFixed(2);
    const counts = KINDS.map((kind) => ({ kind, count: rows.filter(({ kinds }) => kinds?.includes(kind)).length }));
    const there = counts.filter(({ kind, count }) => count > 0 || kind === picked);
    const listed = JSON.stringify([there, picked, least, t("kinds")]);
    if (listed === this.listed) return;
    this.listed = listed;
    this.chips.replaceChildren(
      ...there.map(({ kind, count }) =>
        element(
          "button",
          {
            type: "button",
            class: "chip",
            title: t(`kind_${kind}Title`, { least }),
            "aria-pressed": String(kind === picked),
            data: { kind },
            on: { click: () => this.pick(kind) },
          },
          `${t(`kind_${kind}`)} `,
          element("span", { class: "quiet tabular" }, String(count)),
        ),
      ),
    );
  }
}
