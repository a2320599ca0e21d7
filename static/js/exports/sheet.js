/** A picture laid out as a sheet: map, labels, title, legend and caption as marks that every format draws. No document here. */

import { inCell } from "../map/cells.js";
import { inkOn } from "../map/colour.js";
import { ticks } from "../map/geometry.js";
import { ticksOf } from "../map/atlas/ticks.js";
import { isolated } from "../text/isolate.js";
import { label, wideAs } from "../text/labels.js";
import { INKS } from "./inks.js";

/** @typedef {import("./picture.js").Picture} Picture */
/** @typedef {import("../map/geometry.js").Box} Box */
/**
 * @typedef {object} TextMark
 * @property {"text"} kind
 * @property {string} text
 * @property {number} x
 * @property {number} y of its middle line
 * @property {number} size pixels
 * @property {string} colour
 * @property {"start" | "middle" | "end"} anchor
 * @property {boolean} mono
 * @property {boolean} [bold]
 * @property {number} [turn] degrees, clockwise
 *
 * @typedef {{kind: "rect", box: Box, fill?: string, stroke?: string}} RectMark
 * @typedef {{kind: "hatch", box: Box, colour: string}} HatchMark
 * @typedef {{kind: "cells", box: Box, width: number, height: number, colours: Int32Array}} CellsMark
 *   row-major, 0xrrggbb; -1 where nothing is drawn
 * @typedef {TextMark | RectMark | HatchMark | CellsMark} Mark
 * @typedef {{width: number, height: number, background: string, marks: Mark[], title: string, description: string}} Sheet
 */

const MARGIN = 24;
const LINE = 18; // pixels of a line of the title or caption
const CHARACTER = [7.25, 12]; // pixels of a monospaced character, and its size
const SANS = 0.58; // of a size, the mean width of a proportional character
const RAMP = [144, 10]; // pixels of the legend
const LEAST = 400; // pixels wide: a title has room
const MOST_NUMBERS = 500; // cells with their weight written in them
const ROOM_FOR_NUMBER = [34, 16];
const NOTHING = 0.005; // less is not written: the colour says that there is nothing

/** @param {string} text @param {number} size */
const wide = (text, size) => wideAs(text) * size * SANS;

/** @param {number[]} rgb */
export const hex = (rgb) => `#${rgb.map((value) => value.toString(16).padStart(2, "0")).join("")}`;

/** A text in lines of a width. @param {string} text @param {number} width pixels @param {number} size */
export function wrapped(text, width, size) {
  /** @type {string[]} */
  const lines = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (last !== undefined && wide(`${last} ${word}`, size) <= width) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}

/**
 * Labels along one side.
 *
 * @param {import("../types.js").Axis} axis
 * @param {import("../types.js").Range} range
 * @param {number} pixels
 * @param {boolean} long whether it has too many cells for tokens, and numbers stand for them
 * @param {number} each pixels that a label needs
 */
export function labelsOf(axis, range, pixels, long, each) {
  /** @type {[number, number]} */
  const stretch = [range[0] - 0.5, range[1] - 0.5];
  const count = axis.labels.length;
  const { step, list } = long ? ticksOf(stretch, count, pixels, each) : { step: 1, list: ticks(stretch, count, pixels) };
  const inside = list.filter((index) => index >= range[0] && index < range[1]);
  return inside.map((index) => ({ index, text: step === 1 ? isolated(label(axis, index)) : String(index), token: step === 1 }));
}

/** @param {Picture} picture @returns {Int32Array} 0xrrggbb of each block, -1 where it is masked */
export function coloursOf({ values, place, colour }) {
  return Int32Array.from(values, (value) => {
    if (Number.isNaN(value)) return -1;
    const [r, g, b] = colour(place(value));
    return (r << 16) | (g << 8) | b;
  });
}

/** @param {Picture} picture @returns {Sheet} */
export function sheetOf(picture) {
  const { rows, cols, n, height, width, size, words, theme, long } = picture;
  const ink = INKS[theme];
  const [across, down] = [size.width / (cols[1] - cols[0]), size.height / (rows[1] - rows[0])];
  const rowLabels = labelsOf(picture.queries, rows, size.height, long, 28);
  const colLabels = labelsOf(picture.keys, cols, size.width, long, 56);
  const [character, face] = CHARACTER;
  /** @param {{text: string}[]} list */
  const longest = (list) => Math.max(1, ...list.map(({ text }) => wideAs(text))) * character;
  const gap = colLabels.length > 1 ? (colLabels[1].index - colLabels[0].index) * across : Infinity;
  const turn = longest(colLabels) + 6 <= Math.min(gap, size.width) ? 0 : gap >= 20 ? -45 : -90;
  const rise = turn === 0 ? 16 : longest(colLabels) * (turn === -45 ? Math.SQRT1_2 : 1) + 12;
  const left = MARGIN + LINE + longest(rowLabels) + 8;
  /** @param {{text: string, index: number}} label */
  const over = ({ text, index }) => wideAs(text) * character * Math.SQRT1_2 - (cols[1] - index - 0.5) * across + 8;
  const right = turn === -45 ? Math.max(0, ...colLabels.map(over)) : 0;
  const total = Math.ceil(Math.max(left + size.width + right + MARGIN, LEAST));
  const title = wrapped(words.title, total - 2 * MARGIN, 14);
  const top = MARGIN + title.length * LINE + LINE + rise + 8;
  const box = { left, top, width: size.width, height: size.height };
  /** @type {Mark[]} */
  const marks = [];
  /** @param {string} text @param {number} x @param {number} y @param {Partial<TextMark>} [style] */
  const write = (text, x, y, style = {}) =>
    marks.push({ kind: "text", text, x, y, size: 12, colour: ink.text, anchor: "start", mono: false, ...style });
  title.forEach((line, at) => write(line, MARGIN, MARGIN + LINE * (at + 0.5), { size: 14, bold: true }));
  write(words.keys, left, top - rise - 12, { colour: ink.quiet });
  write(words.queries, MARGIN + 6, top + Math.min(wide(words.queries, 12), Math.max(size.height, 40)), { colour: ink.quiet, turn: -90 });
  for (const { index, text, token } of rowLabels)
    write(text, left - 6, top + (index - rows[0] + 0.5) * down, { size: face, mono: true, anchor: "end", colour: token ? ink.text : ink.quiet });
  for (const { index, text, token } of colLabels)
    write(text, left + (index - cols[0] + 0.5) * across, top - (turn ? 6 : 10), { size: face, mono: true, anchor: turn ? "start" : "middle", turn, colour: token ? ink.text : ink.quiet });
  const colours = coloursOf(picture);
  const holes = colours.includes(-1);
  if (holes) marks.push({ kind: "hatch", box, colour: ink.hatch });
  // Blocks are aligned to the map's origin: the first and last may reach out of view.
  const drawn = {
    left: left + (picture.col - cols[0]) * across,
    top: top + (picture.row - rows[0]) * down,
    width: width * n * across,
    height: height * n * down,
  };
  marks.push({ kind: "cells", box: n === 1 ? drawn : box, width, height, colours });
  if (n === 1 && !long && width * height <= MOST_NUMBERS && across >= ROOM_FOR_NUMBER[0] && down >= ROOM_FOR_NUMBER[1])
    picture.values.forEach((value, at) => {
      if (!(Math.abs(value) >= NOTHING * (picture.unit?.limit ?? 1))) return;
      const [x, y] = [drawn.left + ((at % width) + 0.5) * across, drawn.top + (Math.floor(at / width) + 0.5) * down];
      const rgb = [colours[at] >> 16, (colours[at] >> 8) & 255, colours[at] & 255];
      write(inCell(value, picture.unit), x, y, { size: 11, mono: true, anchor: "middle", colour: inkOn(rgb) });
    });
  marks.push({ kind: "rect", box, stroke: ink.line });
  for (const { row, col, number, here } of picture.pins) {
    const cell = { left: left + (col - cols[0]) * across, top: top + (row - rows[0]) * down, width: across, height: down };
    marks.push({ kind: "rect", box: cell, stroke: here ? ink.text : ink.quiet });
    const badge = { left: cell.left - 7, top: cell.top - 7, width: 14, height: 14 };
    marks.push({ kind: "rect", box: badge, fill: here ? ink.text : ink.quiet });
    write(String(number), cell.left, cell.top, { size: 10, anchor: "middle", mono: true, colour: ink.page });
  }
  const foot = legend(picture, holes, box.top + box.height + 20, write, marks);
  const said = [...picture.pins.map(({ number, words: pinned }) => `${number}  ${pinned}`), ...words.facts];
  const facts = said.flatMap((fact) => wrapped(fact, total - 2 * MARGIN, 11));
  facts.forEach((line, at) => write(line, MARGIN, foot + 16 * (at + 0.5), { size: 11, colour: ink.quiet }));
  const bottom = Math.ceil(foot + 16 * facts.length + MARGIN);
  return { width: total, height: bottom, background: ink.page, marks, title: words.title, description: words.facts.join(" ") };
}

/**
 * The colours from the lowest to the highest, and what is masked; returns where the next line begins.
 *
 * @param {Picture} picture
 * @param {boolean} holes
 * @param {number} y of its middle
 * @param {(text: string, x: number, y: number, style?: Partial<TextMark>) => void} write
 * @param {Mark[]} marks
 */
function legend({ words, colour, theme }, holes, y, write, marks) {
  const ink = INKS[theme];
  const [width, height] = RAMP;
  let x = MARGIN;
  write(words.low, x, y, { size: 11, colour: ink.quiet });
  x += wide(words.low, 11) + 8;
  const box = { left: x, top: y - height / 2, width, height };
  const steps = 72;
  const colours = Int32Array.from({ length: steps }, (_, at) => {
    const [r, g, b] = colour(at / (steps - 1));
    return (r << 16) | (g << 8) | b;
  });
  marks.push({ kind: "cells", box, width: steps, height: 1, colours }, { kind: "rect", box, stroke: ink.line });
  x += width + 6;
  write(words.high, x, y, { size: 11, colour: ink.quiet });
  x += wide(words.high, 11) + 24;
  if (holes) {
    const swatch = { left: x, top: y - 6, width: 18, height: 12 };
    marks.push({ kind: "hatch", box: swatch, colour: ink.hatch }, { kind: "rect", box: swatch, stroke: ink.line });
    write(words.masked, x + 24, y, { size: 11, colour: ink.quiet });
  }
  return y + 16;
}
