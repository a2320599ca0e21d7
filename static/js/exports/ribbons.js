/** The ribbons on show as a file of their own: what the style sheet says is written into each element. */

import { INKS } from "./inks.js";
import { escaped } from "./svg.js";

/** @typedef {import("../types.js").Theme} Theme */

const WRITTEN = ["fill", "fill-opacity", "stroke", "stroke-width", "stroke-opacity", "stroke-linecap", "stroke-dasharray", "opacity", "font-family", "font-size", "font-style", "font-weight", "paint-order"];
const KEPT = ["d", "x", "y", "width", "height", "rx", "viewBox", "text-anchor", "transform", "href", "preserveAspectRatio"];
const [MARGIN, TITLE, LINE] = [16, 32, 16];

/** @param {Element} node @returns {string} */
function drawn(node) {
  const style = getComputedStyle(node);
  if (style.display === "none" || style.visibility === "hidden") return "";
  const name = node.localName;
  const looks = name === "g" ? [["opacity", style.opacity]] : WRITTEN.map((property) => [property, style.getPropertyValue(property)]);
  const places = KEPT.flatMap((attribute) => {
    const value = node.getAttribute(attribute);
    return value === null ? [] : [[attribute, value]];
  });
  const attributes = [...places, ...looks.filter(([, value]) => value !== "")].map(([key, value]) => ` ${key}="${escaped(String(value))}"`);
  const inner = [...node.childNodes].map((child) => (child instanceof Element ? drawn(child) : escaped(child.textContent ?? "")));
  return `<${name}${attributes.join("")}>${inner.join("")}</${name}>`;
}

/**
 * @param {SVGSVGElement} sheet
 * @param {{title: string, facts: string[]}} words
 * @param {Theme} theme whose colours are the page's now
 * @returns {{svg: string, width: number, height: number}}
 */
export function ribbonsOf(sheet, { title, facts }, theme) {
  const { width: wide, height: high } = sheet.viewBox.baseVal;
  const ink = INKS[theme];
  const [width, height] = [Math.max(wide, 400) + 2 * MARGIN, high + TITLE + 2 * MARGIN + LINE * facts.length];
  const { x, y } = sheet.viewBox.baseVal;
  const content = [...sheet.children].map(drawn).join("");
  const face = 'font-family="system-ui, sans-serif"';
  const lines = facts.map(
    (fact, at) => `<text x="${MARGIN}" y="${height - MARGIN - LINE * (facts.length - 1 - at)}" ${face} font-size="11" fill="${ink.quiet}">${escaped(fact)}</text>`,
  );
  const svg =
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img">` +
    `<title>${escaped(title)}</title><rect width="${width}" height="${height}" fill="${ink.page}"/>` +
    `<text x="${MARGIN}" y="${MARGIN + 12}" ${face} font-size="14" font-weight="600" fill="${ink.text}">${escaped(title)}</text>` +
    `<g transform="translate(${MARGIN - x} ${MARGIN + TITLE - y})">${content}</g>${lines.join("")}</svg>\n`;
  return { svg, width, height };
}
