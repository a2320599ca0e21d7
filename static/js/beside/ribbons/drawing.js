/** Ribbons as SVG, sharp on screen and on paper: lines below, words above. */

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
    const ground = { class: "ribbon-ground", x: x - pad, y, width: width + 2 * pad, height, rx: word ? 4 : 0 };
    const node = shape(
      "g",
      {
        class: unit.special ? "ribbon-unit special" : "ribbon-unit",
        role: "option",
        tabindex: index === 0 ? 0 : -1,
        "aria-selected": "false",
        "aria-label": labels[index],
        "data-side": name,
        "data-index": index,
      },
      ...(word ? [shape("rect", { ...ground, class: "ribbon-halo" })] : []),
      shape("rect", { ...ground, class: word ? "ribbon-ground" : `ribbon-ground ${unit.box ? "patch" : "stretch"}` }),
    );
    if (word)
      node.append(shape("text", { x: x + width / 2, y: y + BASELINE, "text-anchor": "middle" }, isolated(shortened(unit.text))));
    if (unit.text !== shortened(unit.text)) node.append(shape("title", {}, isolated(unit.text)));
    return node;
  });
  return shape("g", { class: "ribbon-side", role: "listbox", "aria-label": title, "aria-orientation": "horizontal" }, ...nodes);
}

/** What lies under a side that is no text: the picture, or the seconds. @param {Side} side @param {Place[]} places @param {string | null} url */
export function drawGround({ kind, units, size = [1, 1], duration = 0 }, places, url) {
  if (kind === "sound") return seconds(places, duration);
  const first = places[0];
  const box = units[0]?.box;
  if (kind !== "picture" || !first || !box || !url) return [];
  const scale = first.width / (box[2] - box[0]);
  const [left, top] = [first.x - box[0] * scale, first.y - box[1] * scale];
  return [shape("image", { href: url, x: left, y: top, width: size[0] * scale, height: size[1] * scale, preserveAspectRatio: "none" })];
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

/** The frame that all of it is drawn in. @param {Arranged} arranged @param {(Node | string)[]} children */
export function frame({ width, height }, children) {
  const [wide, high] = [width + 2 * MARGIN, Math.ceil(height) + 2 * MARGIN];
  const box = `${-MARGIN} ${-MARGIN} ${wide} ${high}`;
  return shape("svg", { class: "ribbon-sheet", viewBox: box, width: wide, height: high, role: "group" }, ...children);
}
