/** Ribbons as SVG, sharp on screen and on paper: lines below, words above. */

import { envelope } from "../../input/media.js";
import { isolated } from "../../text/isolate.js";
import { curve } from "./layout.js";
import { ink } from "./lines.js";
import { shortened } from "./units.js";

/** @typedef {import("./arrange.js").Arranged} Arranged */
/** @typedef {import("./layout.js").Place} Place */
/** @typedef {import("./lines.js").Line} Line */
/** @typedef {import("./units.js").Side} Side */
/** @typedef {import("./units.js").Sides} Sides */

const SVG = "http://www.w3.org/2000/svg";
const BASELINE = 18; // of a word in its line, from above
const ASIDE = 3; // pixels between hues that join the same words
const MARGIN = 8; // around everything, for rings of the focus
const FONT = { text: 15, special: 12 }; // pixels, as css/ribbons.css has them
const SECOND = 56; // pixels that the number of a second needs

/**
 * An SVG element in one expression.
 *
 * @template {keyof SVGElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, string | number>} [attributes]
 * @param {...(Node | string)} children
 * @returns {SVGElementTagNameMap[Tag]}
 */
export function shape(tag, attributes = {}, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, String(value));
  node.append(...children);
  return node;
}

/**
 * The lines of some hues.
 *
 * @param {Line[]} lines
 * @param {Arranged} arranged
 * @param {number} hues
 * @param {Side} keys
 */
export function drawLines(lines, { keys, queries }, hues, { units }) {
  return lines.map(({ query, key, weight, hue }) => {
    const { opacity, width } = ink(weight);
    return shape("path", {
      class: `ribbon hue-${hue}`,
      d: curve(queries[query], keys[key], (hue - (hues - 1) / 2) * ASIDE, units[key].box !== undefined),
      "stroke-opacity": opacity.toFixed(3),
      "stroke-width": width.toFixed(2),
    });
  });
}

/**
 * A side's words, patches or stretches, each to be pointed at.
 *
 * @param {"keys" | "queries"} name
 * @param {Side} side
 * @param {Place[]} places
 * @param {{title: string, labels: string[]}} said to those who do not see it
 */
export function drawSide(name, { units }, places, { title, labels }) {
  const nodes = units.map((unit, index) => {
    const { x, y, width, height } = places[index];
    const word = !unit.box && !unit.seconds;
    const pad = word ? 3 : 0;
    const ground = { x: x - pad, y, width: width + 2 * pad, height, rx: word ? 4 : 0 };
    const lit = word ? "ribbon-ground" : `ribbon-ground ${unit.box ? "patch" : "stretch"}`;
    const node = shape(
      "g",
      {
        class: `ribbon-unit${unit.special ? " special" : ""}${unit.made ? " made-word" : ""}`,
        role: "option",
        tabindex: index === 0 ? 0 : -1,
        "aria-selected": "false",
        "aria-label": labels[index],
        "data-side": name,
        "data-index": index,
      },
      ...(word ? [shape("rect", { ...ground, class: "ribbon-halo" })] : []),
      shape("rect", { ...ground, class: lit, "fill-opacity": 0 }),
    );
    if (word)
      node.append(shape("text", { x: x + width / 2, y: y + BASELINE, "text-anchor": "middle" }, isolated(shortened(unit.text))));
    if (unit.text !== shortened(unit.text)) node.append(shape("title", {}, isolated(unit.text)));
    return node;
  });
  return shape("g", { class: "ribbon-side", role: "listbox", "aria-label": title, "aria-orientation": "horizontal" }, ...nodes);
}

/**
 * What lies under a side that is no text: the picture, or the wave over its seconds.
 *
 * @param {Side} side
 * @param {Place[]} places
 * @param {{url: string | null, samples: Float32Array | null}} media
 * @returns {SVGElement[]}
 */
export function drawGround({ kind, units, size = [1, 1], duration = 0 }, places, { url, samples }) {
  if (kind === "sound") return [...wave(places, samples), ...seconds(places, duration)];
  const first = places[0];
  const box = units[0]?.box;
  if (kind !== "picture" || !first || !box || !url) return [];
  const scale = first.width / (box[2] - box[0]);
  const [left, top] = [first.x - box[0] * scale, first.y - box[1] * scale];
  return [shape("image", { class: "ribbon-picture", href: url, x: left, y: top, width: size[0] * scale, height: size[1] * scale, preserveAspectRatio: "none" })];
}

/** The loudest of each pixel, both ways from the middle. @param {Place[]} places @param {Float32Array | null} samples */
function wave(places, samples) {
  const last = places[places.length - 1];
  if (!last || !samples) return [];
  const peaks = envelope(samples, Math.max(1, Math.round(last.x + last.width)));
  const [middle, half] = [last.y + last.height / 2, last.height / 2 - 1];
  const lines = [...peaks].map((peak, x) => `M${x} ${(middle - half * peak).toFixed(1)}v${(2 * half * peak).toFixed(1)}`);
  return [shape("path", { class: "ribbon-wave", d: lines.join("") })];
}

/** @param {Place[]} places @param {number} duration */
function seconds(places, duration) {
  const last = places[places.length - 1];
  if (!last || !duration) return [];
  const scale = (last.x + last.width) / duration;
  const every = Math.max(1, Math.ceil(SECOND / scale));
  const marks = Array.from({ length: Math.floor(duration / every) + 1 }, (_, at) => at * every);
  return marks.map((second) =>
    shape("text", { class: "ribbon-second", x: second * scale, y: last.y + last.height + BASELINE }, `${second} s`),
  );
}

/** The frame that all of it is drawn in. @param {Arranged} arranged @param {string} label @param {(Node | string)[]} children */
export function frame({ width, height }, label, children) {
  const [wide, high] = [width + 2 * MARGIN, Math.ceil(height) + 2 * MARGIN];
  const box = `${-MARGIN} ${-MARGIN} ${wide} ${high}`;
  return shape("svg", { class: "ribbon-sheet", viewBox: box, width: wide, height: high, role: "group", "aria-label": label }, ...children);
}

/** Measures words in the face that they are drawn in. @param {HTMLElement} room @returns {(text: string, special: boolean) => number} */
export function measureIn(room) {
  const context = /** @type {CanvasRenderingContext2D} */ (document.createElement("canvas").getContext("2d"));
  const family = getComputedStyle(room).fontFamily;
  return (text, special) => {
    context.font = `${special ? FONT.special : FONT.text}px ${family}`;
    return Math.ceil(context.measureText(shortened(text)).width) + 2;
  };
}
