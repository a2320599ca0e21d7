/** A sheet as SVG: labels are text, few cells are paths, many are one picture. */

import { pixelsOf } from "./pixels.js";

/** @typedef {import("./sheet.js").CellsMark} CellsMark */
/** @typedef {import("./sheet.js").Mark} Mark */
/** @typedef {import("./sheet.js").Sheet} Sheet */

export const MOST_DRAWN = 4096; // cells that are drawn one by one; more make files that editors open slowly
const MONO = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', 'Noto Sans Mono CJK SC', monospace";
const SANS = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'Liberation Sans', 'Noto Sans CJK SC', sans-serif";
const BASELINE = 0.35; // of a size, from a text's middle down: `dominant-baseline` is not read everywhere

/** @param {string} text as text of XML, without the control characters that it has no way to write */
export const escaped = (text) =>
  // eslint-disable-next-line no-control-regex
  text.replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f]/g, "\ufffd").replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);

/** @param {number} value */
const short = (value) => String(Math.round(value * 100) / 100);

/** Cells as one path a colour, in units of a cell. @param {CellsMark} mark */
function paths({ box, width, height, colours }) {
  /** @type {Map<number, string[]>} */
  const byColour = new Map();
  colours.forEach((colour, at) => {
    if (colour < 0) return;
    if (!byColour.has(colour)) byColour.set(colour, []);
    byColour.get(colour)?.push(`M${at % width} ${Math.floor(at / width)}h1v1h-1z`);
  });
  const move = `translate(${short(box.left)} ${short(box.top)}) scale(${box.width / width} ${box.height / height})`;
  const list = [...byColour].map(([colour, parts]) => `<path fill="#${colour.toString(16).padStart(6, "0")}" d="${parts.join("")}"/>`);
  return `<g transform="${move}" shape-rendering="crispEdges">${list.join("")}</g>`;
}

/** @param {CellsMark} mark */
function image(mark) {
  const { left, top, width, height } = mark.box;
  const place = `x="${short(left)}" y="${short(top)}" width="${short(width)}" height="${short(height)}"`;
  const href = pixelsOf(mark).toDataURL("image/png");
  return `<image ${place} preserveAspectRatio="none" image-rendering="pixelated" href="${href}"/>`;
}

/** @param {Mark} mark */
function drawn(mark) {
  if (mark.kind === "cells") return mark.width * mark.height <= MOST_DRAWN ? paths(mark) : image(mark);
  if (mark.kind === "text") {
    const { text, x, y, size, colour, anchor, mono, bold, turn } = mark;
    const move = turn ? `translate(${short(x)} ${short(y)}) rotate(${turn})` : `translate(${short(x)} ${short(y)})`;
    const face = `class="${mono ? "mono" : "sans"}" font-size="${size}"${bold ? ' font-weight="600"' : ""}`;
    return `<text transform="${move}" y="${short(size * BASELINE)}" ${face} text-anchor="${anchor}" fill="${colour}">${escaped(text)}</text>`;
  }
  const { left, top, width, height } = mark.box;
  const place = `x="${short(left)}" y="${short(top)}" width="${short(width)}" height="${short(height)}"`;
  if (mark.kind === "hatch") return `<rect ${place} fill="url(#hatch)" data-masked=""/>`;
  return `<rect ${place} fill="${mark.fill ?? "none"}"${mark.stroke ? ` stroke="${mark.stroke}"` : ""}/>`;
}

/** @param {Sheet} sheet @returns {string} */
export function svgOf({ width, height, background, marks, title, description }) {
  const hatch = marks.find((mark) => mark.kind === "hatch");
  const pattern = hatch
    ? `<defs><pattern id="hatch" width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">` +
      `<line x1="0" y1="0" x2="0" y2="7" stroke="${hatch.colour}" stroke-width="2"/></pattern></defs>`
    : "";
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img">` +
    `<title>${escaped(title)}</title><desc>${escaped(description)}</desc>` +
    `<style>.mono{font-family:${MONO};white-space:pre}.sans{font-family:${SANS}}</style>${pattern}` +
    `<rect width="${width}" height="${height}" fill="${background}"/>${marks.map(drawn).join("\n")}</svg>\n`
  );
}
