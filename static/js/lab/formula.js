/** Formulas in MathML, which browsers lay out by themselves. */

const SPACE = "http://www.w3.org/1998/Math/MathML";

/** @typedef {Node | string | number} Part a text is a name, a number or a sign, by what it looks like */

/** @param {string} tag @param {...Part} parts */
function made(tag, ...parts) {
  const node = document.createElementNS(SPACE, tag);
  node.append(...parts.map(part));
  return node;
}

/** @param {Part} given @returns {Node} */
function part(given) {
  if (given instanceof Node) return given;
  const text = String(given);
  const tag = /^[\d.]+$/.test(text) ? "mn" : /^\p{L}+$/u.test(text) ? "mi" : "mo";
  const node = document.createElementNS(SPACE, tag);
  node.textContent = text;
  if (/^[()[\]{}]$/.test(text)) node.setAttribute("stretchy", "false");
  return node;
}

/** Parentheses as high as what is in them. @param {...Part} parts */
export function around(...parts) {
  const whole = row("(", ...parts, ")");
  for (const bracket of [whole.firstElementChild, whole.lastElementChild]) bracket?.removeAttribute("stretchy");
  return whole;
}

/** @param {...Part} parts */
export const row = (...parts) => made("mrow", ...parts);
/** @param {Part} base @param {...Part} below */
export const sub = (base, ...below) => made("msub", base, row(...below));
/** @param {Part} base @param {...Part} above */
export const sup = (base, ...above) => made("msup", base, row(...above));
/** @param {Part} base @param {Part} below @param {Part} above */
export const both = (base, below, above) => made("msubsup", base, below, above);
/** @param {Part} above @param {Part} below */
export const over = (above, below) => made("mfrac", above, below);
/** @param {...Part} parts */
export const root = (...parts) => made("msqrt", ...parts);
/** @param {...Part} below */
export const sum = (...below) => made("munder", "∑", row(...below));

/** A formula by itself. @param {...Part} parts */
export function formula(...parts) {
  const node = made("math", ...parts);
  node.setAttribute("display", "block");
  return node;
}
