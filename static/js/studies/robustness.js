/** What perturbed inputs do to the answer and to attention: curves against strength, what is most fragile named. */

import { siteName, t } from "../text/i18n.js";
import { isolated } from "../text/isolate.js";
import { Curves, dashOf, figure, HUES } from "../views/curves.js";
import { element } from "../views/dom.js";
import { headLink } from "./heads.js";
import { Study, tableOf } from "./study.js";

/** @typedef {{mean: number | null, low: number | null, high: number | null}} Interval */
/**
 * @typedef {object} Row of a perturbation and a strength
 * @property {string} perturbation
 * @property {number} strength
 * @property {Interval} agreement
 * @property {Record<string, Interval>} divergence by site, in nats
 *
 * @typedef {object} Result as app/service/jobs/robustness has it
 * @property {"text" | "image" | "audio"} medium
 * @property {"share" | "dB"} unit
 * @property {string} agreement what texts are compared by
 * @property {Row[]} curves
 * @property {{site: string, layer: number, head: number, divergence: Interval}[]} heads the most fragile first
 * @property {{label: string, loss: number, touched: number}[]} tokens
 * @property {{box: import("../types.js").Box, loss: number}[]} regions
 * @property {{detail: string}[]} refused
 */

/** @type {Record<Result["medium"], string[]>} what fits an input, as the service's requests have it */
const FITTING = {
  text: ["typing_errors", "swaps", "casing", "dropped_words", "hotflip", "embedding_noise", "fgsm", "pgd"],
  image: ["noise", "blur", "crop", "occlusion"],
  audio: ["noise"],
};
const USUAL = { text: 4, image: 4, audio: 1 }; // the first of these; the others need gradients
const SEEDS = [3, 5, 10, 20];
const NAMED = 8; // heads, tokens or regions in a list
const TOP = Math.LN2; // nats: no two distributions are farther apart
const LEAST = 1e-6; // of the axis: an attention that does not move is a line at 0
const ABOVE = 1.1; // the highest of the curves

/** @extends {Study<Result>} */
export class Robustness extends Study {
  /** @param {import("../features.js").Page} page */
  constructor({ explorer }) {
    super("robustness", explorer);
    this.seeds = 5;
    /** @type {Set<string> | null} of the perturbations; null: the usual ones */
    this.wanted = null;
    this.legend = element("ul", { class: "curve-legend small" });
    this.quality = new Curves();
    this.stability = new Curves();
    this.lists = element("div", { class: "study-lists" });
    this.note = element("p", { class: "quiet small" });
    this.result.append(this.legend, element("div", { class: "study-charts" }, this.quality.root, this.stability.root), this.lists, this.note);
    this.keys = { keyRobustness: () => this.turn() };
  }

  /** What the input is; empty where it is nothing that can be perturbed. @returns {Result["medium"] | ""} */
  get medium() {
    const { inputs } = this;
    if (typeof inputs === "string") return "text";
    return "image" in inputs ? "image" : "audio" in inputs ? "audio" : "";
  }

  /** @override @param {import("../source/session.js").Session} session */
  lack(session) {
    return super.lack(session) || (this.medium ? "" : "robustnessLack");
  }

  /** @override @param {import("../source/session.js").Session | null} session */
  taken(session) {
    super.taken(session);
    this.choose();
  }

  /** @override */
  translate() {
    super.translate();
    this.choose();
  }

  /** The perturbations that the input takes, and how often each is drawn. */
  choose() {
    const { medium } = this;
    if (!medium) return this.settings.replaceChildren();
    const fitting = FITTING[medium];
    if (!this.wanted || [...this.wanted].some((name) => !fitting.includes(name))) this.wanted = new Set(fitting.slice(0, USUAL[medium]));
    const { wanted } = this;
    const boxes = fitting.map((name) => {
      const change = () => {
        if (!wanted.delete(name)) wanted.add(name);
        this.job.start.disabled = wanted.size === 0;
      };
      const input = element("input", { type: "checkbox", checked: wanted.has(name), on: { change } });
      return element("label", { class: "check" }, input, t(`perturb_${name}`));
    });
    const seeds = element("select", { on: { change: () => (this.seeds = Number(seeds.value)) } });
    seeds.append(...SEEDS.map((n) => element("option", { value: String(n), selected: n === this.seeds }, String(n))));
    const often = element("label", { class: "inline small" }, t("robustnessSeeds"), seeds);
    const group = element("fieldset", { class: "checks small" }, element("legend", { class: "caption" }, t("perturbations")), ...boxes);
    this.settings.replaceChildren(group, often);
  }

  /** @override */
  asked() {
    return { kind: "robustness", ...this.request, perturbations: [...(this.wanted ?? [])], seeds: this.seeds };
  }

  /** The site's curves follow its tab. @override @param {import("../features.js").Shown} shown */
  use(shown) {
    super.use(shown);
    if (this.active && this.found) this.print(this.found);
  }

  /** @override @param {Result} result */
  print(result) {
    const { state } = this.explorer;
    const names = [...new Set(result.curves.map(({ perturbation }) => perturbation))];
    const sites = Object.keys(result.curves[0]?.divergence ?? {});
    const site = sites.includes(state.site) ? state.site : (sites[0] ?? "");
    /** @param {(row: Row) => Interval | undefined} part */
    const curves = (part) =>
      names.map((perturbation, hue) => {
        const rows = result.curves.filter((row) => row.perturbation === perturbation);
        const values = rows.map((row) => part(row) ?? { mean: null, low: null, high: null });
        const side = (/** @type {keyof Interval} */ name) => values.map((value) => value[name] ?? NaN);
        return { name: t(`perturb_${perturbation}`), x: rows.map(({ strength }) => strength), mean: side("mean"), low: side("low"), high: side("high"), hue };
      });
    const x = t(result.unit === "dB" ? "robustnessDecibels" : "robustnessStrength");
    const tick = (/** @type {number} */ value) => (result.unit === "dB" ? `${value}` : `${Math.round(100 * value)}%`);
    this.legend.replaceChildren(...names.map((name, hue) => legendEntry(t(`perturb_${name}`), hue)));
    const by = t(`agreement_${result.agreement}`, {}, "agreement_other");
    this.quality.show({ title: t("robustnessQuality"), x, y: by, tick, range: [0, 1.02], curves: curves((row) => row.agreement) });
    const title = t("robustnessStability", { site: siteName(site) });
    const moved = curves((row) => row.divergence[site]);
    const most = Math.max(...moved.flatMap(({ high }) => high.filter((value) => value > 0)), LEAST);
    /** @type {[number, number]} */
    const range = [0, Math.min(TOP, ABOVE * most)];
    this.stability.show({ title, x, y: t("robustnessMoved"), tick, range, curves: moved });
    this.name(result);
    const refused = result.refused.map(({ detail }) => t("robustnessRefused", { detail }));
    this.note.textContent = [t("robustnessNote"), ...refused].join(" ");
  }

  /** What is most fragile. @param {Result} result */
  name({ heads, tokens, regions }) {
    const moved = heads.slice(0, NAMED).map(({ divergence: { mean, low, high }, ...head }) => [
      headLink(this.explorer, head),
      figure(mean),
      `${figure(low)} – ${figure(high)}`,
    ]);
    const lists = [tableOf(t("fragileHeads"), [t("fragileHead"), "nat", "95%"], moved)];
    if (tokens.length) {
      const lost = tokens.slice(0, NAMED).map(({ label, loss, touched }) => [
        element("bdi", { class: "token" }, isolated(label.replace(/^▁/, ""))),
        figure(loss),
        String(touched),
      ]);
      lists.push(tableOf(t("fragileTokens"), [t("fragileToken"), t("fragileLoss"), t("fragileTouched")], lost));
    }
    this.lists.replaceChildren(...lists);
    const { url, kind } = this.session?.draft.media ?? {};
    if (regions.length && kind === "image" && url) this.lists.append(pictureOf(url, regions));
  }
}

/** @param {string} name @param {number} hue */
export function legendEntry(name, hue) {
  const swatch = element("span", { class: `swatch ${hue < 0 ? "hue-none" : `hue-${hue % HUES}`}`, "aria-hidden": "true", data: { dash: dashOf(hue) } });
  return element("li", {}, swatch, name);
}

/** The picture, its regions as bright as what the answer loses without them. @param {string} url @param {Result["regions"]} regions */
function pictureOf(url, regions) {
  const most = Math.max(...regions.map(({ loss }) => loss), 1e-9);
  const [wide, high] = [2, 3].map((side) => Math.max(...regions.map(({ box }) => box[side])));
  const sheets = regions.map(({ box: [left, top, right, bottom], loss }) => {
    const sheet = element("div", { class: "fragile-region", title: figure(loss) });
    const part = (/** @type {number} */ value, /** @type {number} */ of) => `${(100 * value) / of}%`;
    Object.assign(sheet.style, { left: part(left, wide), top: part(top, high), width: part(right - left, wide), height: part(bottom - top, high) });
    sheet.style.setProperty("--light", Math.max(0, loss / most).toFixed(3));
    return sheet;
  });
  const room = element("div", { class: "fragile-picture" }, element("img", { src: url, alt: "" }), ...sheets);
  return element("figure", { class: "curves" }, element("figcaption", { class: "caption" }, t("fragileRegions")), room);
}
