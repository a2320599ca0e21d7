/** The input that is no text, beside the map: a picture or a recording, lit by what the chosen head attends to. */

import { byId, element } from "../views/dom.js";
import { t } from "../text/i18n.js";
import { soundOf } from "../input/media.js";
import { Picture } from "./picture.js";
import { lit, total } from "./spotlight.js";
import { Wave } from "./wave.js";

/** @typedef {import("../types.js").Axis} Axis */
/** @typedef {import("../types.js").HeadMap} HeadMap */
/** @typedef {import("../types.js").Place} Place */
/** @typedef {import("../source/session.js").Session} Session */
/**
 * @typedef {{name: string, title: string, tokens: number[], node?: HTMLElement}} Chip
 *   entries of the axis that have no place in the picture or recording
 */

const TALLEST = 0.6; // of the window, where the picture stands above the map
const FOLDED = window.matchMedia("(max-width: 720px)"); // as in page.css

/** Of thousands of patches even the brightest gets little: then two digits that say something. */
const percent = (share) =>
  `${share === 0 || share >= 0.01 ? (100 * share).toFixed(1) : Number((100 * share).toPrecision(2))}%`;

/** @param {Axis} axis @returns {Chip[]} */
function chipsOf(axis) {
  /** @type {Chip[]} */
  const chips = [];
  const padding = [];
  axis.labels.forEach((label, token) => {
    if (axis.kind !== "image" || !axis.special[token]) return; // a text has its own in their place
    if (/^\d+,\d+$/.test(label))
      padding.push(token); // a patch that holds nothing of the picture
    else chips.push({ name: label, title: t("specialPatch"), tokens: [token] });
  });
  if (padding.length)
    chips.push({ name: t("padding", { n: padding.length }), title: t("paddingTitle"), tokens: padding });
  const after = [...(axis.seconds ?? []).keys()].filter(
    (token) => axis.seconds[token][0] >= (axis.duration ?? Infinity),
  );
  if (after.length) chips.push({ name: t("afterEnd"), title: t("afterEndTitle"), tokens: after });
  return chips;
}

export class Scene {
  /** @param {{hover: (place: Place | null) => void, choose: (place: Place) => void, asKey: () => boolean,
   *   scale: () => "linear" | "log"}} on */
  constructor(on) {
    this.on = on;
    this.root = byId("scene");
    const gestures = {
      hover: (index) => this.map && this.on.hover(this.placeOf([index])),
      leave: () => this.on.hover(null),
      choose: (index) => this.map && this.on.choose(this.placeOf([index])),
    };
    this.picture = new Picture(byId("picture"), { ...gestures, broken: () => this.hint("pictureUnreadable") });
    this.wave = new Wave(byId("wave"), {
      ...gestures,
      playing: (on) => (byId("play").textContent = t(on ? "stop" : "play")),
    });
    byId("play").addEventListener("click", () => this.wave.play());
    new ResizeObserver(() => this.fit()).observe(byId("stage"));
    /** @type {Chip[]} */
    this.chips = [];
  }

  /** Takes the site's axis that is no text, its keys' first. @param {Session} session */
  build(session, siteName) {
    const site = session.site(siteName);
    const { axes } = session.summary;
    const name = [site.keys, site.queries].find((each) => axes[each].boxes || axes[each].seconds);
    this.root.hidden = name === undefined;
    this.axis = name === undefined ? null : axes[name];
    byId("stage").classList.toggle("under", this.axis?.kind === "audio");
    this.asks = site.queries === name;
    this.asked = site.keys === name;
    this.map = null;
    if (!this.axis) return this.wave.stop();
    const sound = this.axis.kind === "audio";
    byId("picture").hidden = sound;
    byId("wave-box").hidden = !sound;
    this.placed = sound || this.axis.boxes.some(Boolean);
    this.hint(this.placed ? null : "noBoxes");
    const { media } = session.draft;
    if (session.lacksMedia()) this.hint(sound ? "noSound" : "noPixels");
    if (sound) this.listen(media);
    else this.picture.use(this.axis, media?.url ?? null);
    this.chips = chipsOf(this.axis);
    this.showChips();
    this.fit();
  }

  /** The sound comes when it is decoded; until then there is the ruler. */
  async listen(media) {
    const { axis } = this;
    this.wave.use(axis, media === this.media ? this.wave.sound : null);
    this.media = media;
    byId("play").hidden = !this.wave.sound;
    if (!media || this.wave.sound) return;
    const sound = await soundOf(media);
    if (this.axis?.kind !== "audio" || this.media !== media) return;
    const { light, most, marked, scale } = this.wave;
    this.wave.use(this.axis, sound);
    this.wave.show(light, most, marked, scale);
    byId("play").hidden = sound === null;
    if (!sound) this.hint("soundUnreadable");
  }

  /** @param {string | null} name of what should be said */
  hint(name) {
    byId("scene-hint").hidden = name === null;
    if (name) byId("scene-hint").textContent = t(name);
  }

  showChips() {
    byId("chips").hidden = this.chips.length === 0;
    byId("chips").replaceChildren(
      ...this.chips.map((chip) => {
        chip.node = element("button", {
          type: "button",
          class: "chip",
          title: chip.title,
          textContent: chip.name,
          on: {
            pointerenter: () => this.map && this.on.hover(this.placeOf(chip.tokens)),
            focus: () => this.map && this.on.hover(this.placeOf(chip.tokens)),
            pointerleave: () => this.on.hover(null),
            blur: () => this.on.hover(null),
            click: () => this.map && this.on.choose(this.placeOf(chip.tokens)),
          },
        });
        return chip.node;
      }),
    );
  }

  fit() {
    if (this.root.hidden || !this.axis) return;
    const width = byId("scene-room").clientWidth;
    if (this.axis.kind === "audio") return this.wave.fit(width);
    const others = [...this.root.children].reduce(
      (sum, node) => sum + (node.id === "scene-room" ? 0 : node.clientHeight + 8),
      0,
    );
    const high = FOLDED.matches ? TALLEST * window.innerHeight : byId("stage").clientHeight - others - 16;
    this.picture.fit(width, Math.max(high, 96));
  }

  /** What is pointed at asks where it can, unless the reader has turned that round. @returns {Place} */
  placeOf(tokens) {
    return this.asks && !(this.asked && this.on.asKey()) ? { rows: tokens } : { cols: tokens };
  }

  /** @param {HeadMap} map of the chosen head; of a far one, whichever row is here */
  use(map) {
    this.told = null;
    this.map = this.axis ? map : null;
  }

  /**
   * @param {Place} place
   * @param {import("./spotlight.js").Lit} [shining]
   * @param {boolean} [waiting] it is not the place's own light, which is on the way
   */
  show(place, shining, waiting = false) {
    if (!this.axis || !this.map) return;
    const { side, light } = shining ?? lit(this.map, place);
    const told = JSON.stringify([place, waiting]);
    if (told === this.told && light === this.light) return; // a pointer moves often within one cell
    Object.assign(this, { told, light });
    const own = this.placed && (side === "keys" ? this.asked : this.asks);
    const view = this.axis.kind === "audio" ? this.wave : this.picture;
    const shown = (token) =>
      this.axis.boxes
        ? this.axis.boxes[token] !== null
        : this.axis.seconds[token][0] < (this.axis.duration ?? Infinity);
    const { most, sum } = total(light, (token) => own && shown(token));
    const asking = this.asks ? (place.rows ?? []) : [];
    const answering = this.asked ? (place.cols ?? []) : [];
    view.show(own ? light : null, most, [...asking, ...answering], this.on.scale());
    this.caption(own, side, most, sum);
    if (waiting) byId("scene-caption").textContent = "…";
    for (const { node, title, tokens } of this.chips) {
      const weight = own ? tokens.reduce((all, token) => all + light[token], 0) : 0;
      const marked = tokens.some((token) => asking.includes(token) || answering.includes(token));
      node.style.setProperty("--light", Math.min(weight, 1).toFixed(3));
      node.classList.toggle("marked", marked);
      node.title = own && side === "keys" ? `${title} · ${percent(weight)}` : title;
    }
  }

  /** How much light there is: colours are as strong as the strongest, so its weight must stand somewhere. */
  caption(own, side, most, sum) {
    const part = this.axis.kind === "audio" ? "frame" : "patch";
    const said = { most: percent(most), sum: percent(sum) };
    byId("scene-caption").textContent = own ? t(`${part}${side === "keys" ? "Keys" : "Queries"}`, said) : "";
  }
}
