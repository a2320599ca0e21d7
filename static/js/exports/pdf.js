/**
 * A sheet as PDF 1.4, one page as large as the sheet: vectors, and labels as text in the fonts that every reader has.
 *
 * Those fonts hold the letters of Western Europe. A label with others is drawn as a stencil of 600 dots an inch, by the
 * browser's own fonts: it prints as sharply, and no font has to be shipped or embedded.
 */

import { contextOf } from "../views/dom.js";
import { canvasOf, pixelsOf } from "./pixels.js";
import { MOST_DRAWN } from "./svg.js";

/** @typedef {import("./sheet.js").CellsMark} CellsMark */
/** @typedef {import("./sheet.js").HatchMark} HatchMark */
/** @typedef {import("./sheet.js").Sheet} Sheet */
/** @typedef {import("./sheet.js").TextMark} TextMark */

const POINTS = 0.75; // of a CSS pixel
const BASELINE = 0.35; // of a size, from a text's middle down
const STENCIL = 8; // dots a CSS pixel: 768 an inch
const COURIER = 0.6; // of a size, every character's width
const HATCH = 6; // pixels between lines
const FACES = { sans: "F1", bold: "F2", mono: "F3" };
// Of a thousandth of the size, from the space on: Helvetica's metrics (Adobe's AFM); other letters are near the digits'.
const HELVETICA =
  "278 278 355 556 556 889 667 191 333 333 389 584 278 333 278 278 556 556 556 556 556 556 556 556 556 556 278 278 584 584 584 556 1015 667 667 722 722 667 611 778 722 278 500 667 556 833 722 778 667 778 722 667 611 722 667 944 667 667 611 278 278 278 469 556 333 556 556 500 556 556 278 556 556 222 222 500 222 833 556 556 556 556 333 500 278 556 500 722 500 500 500 334 260 334 584"
    .split(" ")
    .map(Number);
// What WinAnsiEncoding has from 0x80 on, where Latin-1 has nothing; a space where it has nothing either.
const WESTERN = "€ ‚ƒ„…†‡ˆ‰Š‹Œ Ž  ‘’“”•–—˜™š›œ žŸ";
const DIRECTION = /[\u200e\u200f\u202a-\u202e\u2066-\u2069]/g; // marks that a reader sees nothing of

/** A text's bytes in WinAnsiEncoding. @param {string} text @returns {number[] | null} null: it has other letters */
export function western(text) {
  const bytes = [...text.replace(DIRECTION, "")].map((character) => {
    const code = character.codePointAt(0) ?? 0;
    const plain = (code >= 0x20 && code < 0x7f) || (code >= 0xa0 && code < 0x100);
    const place = WESTERN.indexOf(character);
    return plain ? code : place < 0 ? -1 : 0x80 + place;
  });
  return bytes.includes(-1) ? null : bytes;
}

/** @param {number[]} bytes @param {TextMark} mark */
function lengthOf(bytes, { size, mono }) {
  if (mono) return bytes.length * COURIER * size;
  return (size / 1000) * bytes.reduce((sum, byte) => sum + (HELVETICA[byte - 0x20] ?? 556), 0);
}

/** @param {number} value */
const short = (value) => String(Math.round(value * 1000) / 1000);

/** @param {number} colour 0xrrggbb */
const shade = (colour) => [colour >> 16, (colour >> 8) & 255, colour & 255].map((part) => short(part / 255)).join(" ");

/** @param {string} colour #rrggbb */
const shadeOf = (colour) => shade(parseInt(colour.slice(1), 16));

/** @param {string} text @returns {Uint8Array<ArrayBuffer>} a byte a character */
const latin = (text) => Uint8Array.from(text, (character) => character.charCodeAt(0));

/** @param {Uint8Array<ArrayBuffer>} bytes as zlib has them, which PDF calls FlateDecode */
async function deflated(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** What is collected while a page is drawn: its operators, and the pictures that they place. */
class Page {
  constructor() {
    /** @type {string[]} */
    this.operators = [];
    /** @type {{dictionary: string, bytes: Uint8Array<ArrayBuffer>}[]} */
    this.pictures = [];
  }

  /** @param {string} text */
  put(text) {
    this.operators.push(text);
  }

  /** @param {string} dictionary @param {Uint8Array<ArrayBuffer>} bytes @returns {string} its name */
  picture(dictionary, bytes) {
    this.pictures.push({ dictionary, bytes });
    return `/I${this.pictures.length - 1}`;
  }
}

/** @param {Page} page @param {TextMark} mark */
function write(page, mark) {
  const { x, y, size, colour, anchor, mono, bold, turn = 0 } = mark;
  const angle = (turn * Math.PI) / 180;
  const [cos, sin] = [short(Math.cos(angle)), short(Math.sin(angle))];
  const bytes = western(mark.text);
  const back = { start: 0, middle: 0.5, end: 1 }[anchor];
  page.put(`q ${cos} ${sin} ${short(-Math.sin(angle))} ${cos} ${short(x)} ${short(y)} cm ${shadeOf(colour)} rg`);
  if (bytes) {
    const left = -back * lengthOf(bytes, mark);
    const face = FACES[mono ? "mono" : bold ? "bold" : "sans"];
    const codes = bytes.map((byte) => byte.toString(16).padStart(2, "0")).join("");
    page.put(`BT /${face} ${size} Tf 1 0 0 -1 ${short(left)} ${short(size * BASELINE)} Tm <${codes}> Tj ET Q`);
    return;
  }
  const { width, height, bits } = stencil(mark);
  const name = page.picture(`/Width ${width} /Height ${height} /ImageMask true /BitsPerComponent 1 /Decode [1 0]`, bits);
  const [wide, high] = [width / STENCIL, height / STENCIL];
  page.put(`${short(wide)} 0 0 ${short(-high)} ${short(-back * wide)} ${short(high / 2)} cm ${name} Do Q`);
}

/** A text by the browser's fonts, a bit a dot. @param {TextMark} mark */
function stencil({ text, size, mono, bold }) {
  const font = `${bold ? 600 : 400} ${size * STENCIL}px ${mono ? "ui-monospace, 'DejaVu Sans Mono', monospace" : "system-ui, sans-serif"}`;
  const measured = contextOf(canvasOf(1, 1));
  measured.font = font;
  const [width, height] = [Math.max(8, Math.ceil(measured.measureText(text).width)), Math.ceil(size * STENCIL * 1.5)];
  const context = contextOf(canvasOf(width, height));
  context.font = font;
  context.textBaseline = "middle";
  context.fillText(text, 0, height / 2);
  const { data } = context.getImageData(0, 0, width, height);
  const stride = Math.ceil(width / 8);
  const bits = new Uint8Array(stride * height);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      if (data[4 * (y * width + x) + 3] > 127) bits[y * stride + (x >> 3)] |= 128 >> (x & 7);
  return { width, height, bits };
}

/** @param {Page} page @param {CellsMark} mark */
function cells(page, mark) {
  const { box, width, height, colours } = mark;
  if (width * height > MOST_DRAWN) return picture(page, mark);
  const [across, down] = [box.width / width, box.height / height];
  page.put(`q ${short(across)} 0 0 ${short(down)} ${short(box.left)} ${short(box.top)} cm`);
  let last = -1;
  colours.forEach((colour, at) => {
    if (colour < 0) return;
    if (colour !== last) page.put(`${shade((last = colour))} rg`);
    page.put(`${at % width} ${Math.floor(at / width)} 1 1 re f`);
  });
  page.put("Q");
}

/** @param {Page} page @param {CellsMark} mark */
function picture(page, mark) {
  const canvas = pixelsOf(mark);
  const { width, height } = canvas;
  const { data } = contextOf(canvas).getImageData(0, 0, width, height);
  const [colours, clear] = [new Uint8Array(3 * width * height), new Uint8Array(width * height)];
  for (let at = 0; at < clear.length; at++) {
    for (let channel = 0; channel < 3; channel++) colours[3 * at + channel] = data[4 * at + channel];
    clear[at] = data[4 * at + 3];
  }
  const size = `/Width ${width} /Height ${height} /BitsPerComponent 8`;
  const mask = page.picture(`${size} /ColorSpace /DeviceGray`, clear);
  const name = page.picture(`${size} /ColorSpace /DeviceRGB /SMask ${mask}`, colours);
  const { left, top, width: wide, height: high } = mark.box;
  page.put(`q ${short(wide)} 0 0 ${short(-high)} ${short(left)} ${short(top + high)} cm ${name} Do Q`);
}

/** Slanted lines, cut to their box. @param {Page} page @param {HatchMark} mark */
function hatch(page, { box: { left, top, width, height }, colour }) {
  page.put(`q ${short(left)} ${short(top)} ${short(width)} ${short(height)} re W n ${shadeOf(colour)} RG 1 w`);
  for (let x = left - height; x < left + width; x += HATCH * Math.SQRT2)
    page.put(`${short(x)} ${short(top + height)} m ${short(x + height)} ${short(top)} l S`);
  page.put("Q");
}

/** @param {string} text as PDF has texts of any script */
const named = (text) =>
  `<feff${[...Array(text.length).keys()].map((at) => text.charCodeAt(at).toString(16).padStart(4, "0")).join("")}>`;

/** @param {Sheet} sheet @returns {Promise<Uint8Array<ArrayBuffer>>} */
export async function pdfOf({ width, height, background, marks, title, description }) {
  const page = new Page();
  page.put(`${POINTS} 0 0 ${-POINTS} 0 ${short(height * POINTS)} cm`);
  page.put(`${shadeOf(background)} rg 0 0 ${width} ${height} re f`);
  for (const mark of marks) {
    if (mark.kind === "text") write(page, mark);
    else if (mark.kind === "cells") cells(page, mark);
    else if (mark.kind === "hatch") hatch(page, mark);
    else {
      const place = [mark.box.left, mark.box.top, mark.box.width, mark.box.height].map(short).join(" ");
      if (mark.fill) page.put(`${shadeOf(mark.fill)} rg ${place} re f`);
      if (mark.stroke) page.put(`${shadeOf(mark.stroke)} RG 1 w ${place} re S`);
    }
  }
  const first = 8; // the first picture's object
  /** @param {string} dictionary @param {Uint8Array<ArrayBuffer>} bytes */
  const stream = async (dictionary, bytes) => {
    const packed = await deflated(bytes);
    return [latin(`<< ${dictionary} /Filter /FlateDecode /Length ${packed.length} >>\nstream\n`), packed, latin("\nendstream")];
  };
  /** @param {string} name */
  const font = (name) => [latin(`<< /Type /Font /Subtype /Type1 /BaseFont /${name} /Encoding /WinAnsiEncoding >>`)];
  const names = page.pictures.map((_, at) => `/I${at} ${first + at} 0 R`).join(" ");
  const faces = `<< /${FACES.sans} 4 0 R /${FACES.bold} 5 0 R /${FACES.mono} 6 0 R >>`;
  const objects = [
    [latin("<< /Type /Catalog /Pages 2 0 R >>")],
    [latin("<< /Type /Pages /Kids [3 0 R] /Count 1 >>")],
    [
      latin(
        `<< /Type /Page /Parent 2 0 R /MediaBox [0 0 ${short(width * POINTS)} ${short(height * POINTS)}] /Contents 7 0 R ` +
          `/Resources << /Font ${faces} /XObject << ${names} >> >> >>`,
      ),
    ],
    font("Helvetica"),
    font("Helvetica-Bold"),
    font("Courier"),
    await stream("", latin(page.operators.join("\n"))),
  ];
  for (const { dictionary, bytes } of page.pictures) {
    const resolved = dictionary.replace(/\/SMask \/I(\d+)/, (_, at) => `/SMask ${first + Number(at)} 0 R`);
    objects.push(await stream(`/Type /XObject /Subtype /Image ${resolved}`, bytes));
  }
  objects.push([latin(`<< /Title ${named(title)} /Subject ${named(description)} /Creator (Heedmap) >>`)]);
  return assembled(objects);
}

/** Objects with the table of where each stands; the last is what the file says of itself. @param {Uint8Array<ArrayBuffer>[][]} objects */
function assembled(objects) {
  /** @type {Uint8Array<ArrayBuffer>[]} */
  const parts = [];
  let length = 0;
  /** @param {Uint8Array<ArrayBuffer>} part */
  const put = (part) => {
    parts.push(part);
    length += part.length;
  };
  put(latin("%PDF-1.4\n%\u00e2\u00e3\u00cf\u00d3\n"));
  const starts = objects.map((object, at) => {
    const start = length;
    for (const part of [latin(`${at + 1} 0 obj\n`), ...object, latin("\nendobj\n")]) put(part);
    return start;
  });
  const table = length;
  const count = objects.length + 1;
  put(latin(`xref\n0 ${count}\n0000000000 65535 f \n`));
  for (const start of starts) put(latin(`${String(start).padStart(10, "0")} 00000 n \n`));
  put(latin(`trailer\n<< /Size ${count} /Root 1 0 R /Info ${objects.length} 0 R >>\nstartxref\n${table}\n%%EOF\n`));
  const file = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    file.set(part, at);
    at += part.length;
  }
  return file;
}
