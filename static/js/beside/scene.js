/** The input that is no text, beside the map: a picture or a recording, lit by what the chosen head attends to. */

import { byId, element } from "../views/dom.js";
import { t } from "../text/i18n.js";
import { soundOf } from "../input/media.js";
import { FOLDED } from "../map/plot.js";
import { Picture } from "./picture.js";
import { lit, total } from "./spotlight.js";
import { Wave } from "./wave.js";

/** @typedef {import("../types.js").Axis} Axis */
/** @typedef {import("../types.js").HeadMap} HeadMap */
/** @typedef {import("../types.js").Media} Media */
/** @typedef {import("../types.js").Place} Place */
/** @typedef {import("../source/session.js").Session} Session */
/**
 * @typedef {{name: string, title: string, tokens: number[], node?: HTMLElement}} Chip
 *   entries of the axis that have no place in the picture or recording
 */

const TALLEST = 0.6; // of the window, where the picture stands above the map

/** Of thousands of patches even the brightest gets little: then two digits that say something. @param {number} share */
const percent = (share) =>
  `${share === 0 || share >= 0.01 ? (100 * share).toFixed(1) : Number((100 * share).toPrecision(2))}%`;

/** @param {Axis} axis @returns {Chip[]} */
function chipsOf(axis) {
  /** @type {Chip[]} */
  const chips = [];
  /** @type {number[]} */
  const padding = [];
  axis.labels.forEach((label, token) => {
    if (axis.kind !== "image" || !axis.special[token]) return; // a text has its own in their place
    if (/^\d+,\d+$/.test(label))
      padding.push(token); // a patch that holds nothing of the picture
    else chips.push({ name: label, title: t("specialPatch"), tokens: [token] });
  });
  if (padding.length)
    chips.push({ name: t("padding", { n: padding.length }), title: t("paddingTitle"), tokens: padding });
  const seconds = axis.seconds ?? [];
  const after = [...seconds.keys()].filter((token) => seconds[token][0] >= (axis.duration ?? Infinity));
  if (after.length) chips.push({ name: t("afterEnd"), title: t("afterEndTitle"), tokens: after });
  return chips;
}

export class Scene {
  /** @param {{hover: (place: Place | null) => void, choose: (place: Place) => void, asKey: () => boolean,
   *   scale: () => import("../types.js").Scale}} on */
  constructor(on) {
    this.on = on;
    this.root = byId("scene");
    const gestures = {
      /** @param {number} index */
      hover: (index) => this.hover([index]),
      leave: () => this.on.hover(null),
      /** @param {number} index */
      choose: (index) => this.choose([index]),
    };
    /** @type {Axis | null} the picture's or recording's */
    this.axis = null;
    this.asks = this.asked = false; // whether it is the queries', and the keys'
    this.placed = false; // whether it is known where its entries lie
    /** @type {HeadMap | null} */
    this.map = null;
    /** @type {Media | null} whose sound is there, or on its way */
    this.media = null;
    /** @type {Float32Array | null} */
    this.light = null;
    this.shown = ""; // the place on show
    this.picture = new Picture(byId("picture"), { ...gestures, broken: () => this.hint("pictureUnreadable") });
    this.wave = new Wave(byId("wave"), {
      ...gestures,
      playing: (running) => void (byId("play").textContent = t(running ? "stop" : "play")),
    });
    byId("play").addEventListener("click", () => this.wave.play());
    new ResizeObserver(() => this.fit()).observe(byId("stage"));
    /** @type {Chip[]} */
    this.chips = [];
  }

  /** Points at entries of the axis. @param {number[]} tokens */
  hover(tokens) {
    if (this.map) this.on.hover(this.placeOf(tokens));
  }

  /** @param {number[]} tokens */
  choose(tokens) {
    if (this.map) this.on.choose(this.placeOf(tokens));
  }

  /** Takes the site's axis that is no text, its keys' first. @param {Session} session @param {string} siteName */
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
    this.placed = sound || (this.axis.boxes ?? []).some(Boolean);
    this.hint(this.placed ? null : "noBoxes");
    const { media } = session.draft;
    if (session.lacksMedia()) this.hint(sound ? "noSound" : "noPixels");
    if (sound) this.listen(this.axis, media);
    else this.picture.use(this.axis, media?.url ?? null);
    this.chips = chipsOf(this.axis);
    this.showChips();
    this.fit();
  }

  /** The sound comes when it is decoded; until then there is the ruler. @param {Axis} axis @param {Media | null} media */
  async listen(axis, media) {
    this.wave.use(axis, media === this.media ? this.wave.sound : null);
    this.media = media;
    byId("play").hidden = !this.wave.sound;
    if (!media || this.wave.sound) return;
    const sound = await soundOf(media);
    if (this.axis?.kind !== "audio" || this.media !== media) return;
    const { shown } = this.wave;
    this.wave.use(this.axis, sound);
    this.wave.show(shown);
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
          dir: "auto",
          textContent: chip.name,
          on: {
            pointerenter: () => this.hover(chip.tokens),
            focus: () => this.hover(chip.tokens),
            pointerleave: () => this.on.hover(null),
            blur: () => this.on.hover(null),
            click: () => this.choose(chip.tokens),
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

  /** What is pointed at asks where it can, unless the reader has turned that round. @param {number[]} tokens @returns {Place} */
  placeOf(tokens) {
    return this.asks && !(this.asked && this.on.asKey()) ? { rows: tokens } : { cols: tokens };
  }

  /** @param {HeadMap} map of the chosen head; of a far one, whichever row is here */
  use(map) {
    this.shown = "";
    this.map = this.axis ? map : null;
  }

  /**
   * @param {Place} place
   * @param {import("./spotlight.js").Lit} [shining]
   * @param {boolean} [waiting] it is not the place's own light, which is on the way
   */
  show(place, shining, waiting = false) {
    const { axis } = this;
    if (!axis || !this.map) return;
    const { side, light } = shining ?? lit(this.map, place);
    const shown = JSON.stringify([place, waiting]);
    if (shown === this.shown && light === this.light) return; // a pointer moves often within one cell
    this.shown = shown;
    this.light = light;
    const lights = this.placed && (side === "keys" ? this.asked : this.asks); // whether it is this axis that is lit
    const view = axis.kind === "audio" ? this.wave : this.picture;
    /** @param {number} token */
    const inside = (token) =>
      axis.boxes ? axis.boxes[token] !== null : (axis.seconds?.[token]?.[0] ?? 0) < (axis.duration ?? Infinity);
    const { most, sum } = total(light, (token) => lights && inside(token));
    const asking = this.asks ? (place.rows ?? []) : [];
    const answering = this.asked ? (place.cols ?? []) : [];
    const marked = [...asking, ...answering];
    view.show({ light: lights ? light : null, most, marked, scale: this.on.scale() });
    this.caption(lights ? side : null, most, sum);
    if (waiting) byId("scene-caption").textContent = "…";
    for (const { node, title, tokens } of this.chips) {
      if (!node) continue;
      const weight = lights ? tokens.reduce((all, token) => all + light[token], 0) : 0;
      const pointed = tokens.some((token) => marked.includes(token));
      node.style.setProperty("--light", Math.min(weight, 1).toFixed(3));
      node.classList.toggle("marked", pointed);
      node.title = lights && side === "keys" ? `${title} · ${percent(weight)}` : title;
    }
  }

  /**
   * How much light there is: colours are as strong as the strongest, so its weight must stand somewhere.
   *
   * @param {"keys" | "queries" | null} side that is lit; null: none
   * @param {number} most
   * @param {number} sum
   */
  caption(side, most, sum) {
    const part = this.axis?.kind === "audio" ? "frame" : "patch";
    const shares = { most: percent(most), sum: percent(sum) };
    byId("scene-caption").textContent = side ? t(`${part}${side === "keys" ? "Keys" : "Queries"}`, shares) : "";
  }
}
