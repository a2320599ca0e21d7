/**
 * Texts of either direction beside each other: each is kept from reordering its neighbours, and a token's bytes from
 * reordering the letters beside them. Elements do that by `dir="auto"`; canvases, plots and tooltips by the marks here
 * (Unicode Standard Annex 9: FSI, LRI and PDI).
 */

const [FIRST_STRONG, LEFT_TO_RIGHT, END] = ["\u2068", "\u2066", "\u2069"];
// Letters that run from right to left: Hebrew, Arabic and their kin, and the scripts of the blocks kept for such.
const RIGHT_TO_LEFT = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u;
const EMBEDDING = /[\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu; // a text's own would reach beyond it, or end our isolate
const BYTES = /(?:<0x[0-9A-F]{2}>)+/g;

/**
 * A token's bytes kept apart from the letters beside them, which would else draw their `<` and digits to themselves.
 *
 * @param {string} text
 */
export function withBytesApart(text) {
  return RIGHT_TO_LEFT.test(text) ? text.replace(BYTES, (bytes) => `${LEFT_TO_RIGHT}${bytes}${END}`) : text;
}

/**
 * A text that leaves what stands beside it alone, and is left alone; one without letters from right to left is as it was.
 *
 * @param {string} text
 */
export function isolated(text) {
  const bare = text.replace(EMBEDDING, "");
  return RIGHT_TO_LEFT.test(bare) ? `${FIRST_STRONG}${withBytesApart(bare)}${END}` : bare;
}
