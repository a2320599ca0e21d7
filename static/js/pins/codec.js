/** Pinned cells as a link has them: `site.layer.head.row.col.note`, one after the other with `*` between. No document here. */

/** @typedef {{site: string, layer: number, head: number | "mean" | "max", row: number, col: number, note: string}} Pin */

export const LONGEST_NOTE = 80; // characters
export const MOST_PINS = 32; // more are found again by no number on the map

/** @type {Record<string, string>} what would end a note, and what says that it does not */
const SIGNS = { "*": "_s", _: "_u" };

/** @param {Pin[]} pins @returns {string} */
export function encodePins(pins) {
  return pins
    .map(({ site, layer, head, row, col, note }) =>
      [site, layer, head, row, col, note.replace(/[*_]/g, (sign) => SIGNS[sign])].join("."),
    )
    .join("*");
}

/** @param {string} text @returns {Pin[]} what cannot be read is left out */
export function decodePins(text) {
  return text.split("*").slice(0, MOST_PINS).flatMap((part) => {
    const match = /^(\w+)\.(\d{1,4})\.(\d{1,4}|mean|max)\.(\d{1,7})\.(\d{1,7})\.(.*)$/su.exec(part);
    if (!match) return [];
    const [, site, layer, head, row, col, written] = match;
    const note = written.replace(/_s/g, "*").replace(/_u/g, "_").slice(0, LONGEST_NOTE);
    const which = head === "mean" || head === "max" ? head : Number(head);
    return [{ site, layer: Number(layer), head: which, row: Number(row), col: Number(col), note }];
  });
}

/** As many pins as fit, the first ones. @param {string} text @param {(pins: string) => boolean} fits */
export function pinsThatFit(text, fits) {
  if (fits(text)) return text;
  const parts = text.split("*");
  while (parts.length && !fits(parts.join("*"))) parts.pop();
  return parts.join("*");
}
