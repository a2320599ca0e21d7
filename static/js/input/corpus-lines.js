/** The lines of a corpus: texts, or JSON as the files have it that `heedmap corpus` reads. */

import { t } from "../text/i18n.js";

/** @typedef {import("../types.js").Input | string} Input */

const NAMES = /** @type {const} */ (["inputs", "source"]); // where a JSON line has its input

/**
 * The inputs of lines: each is a text, or JSON of the file that a corpus may be.
 *
 * @param {string} text
 * @returns {{inputs: Input[], targets: (string | null)[]}} a target is null where a line has none
 * @throws {Error} a line that begins like JSON is none
 */
export function parsed(text) {
  const rows = text.split("\n").flatMap((line, at) => {
    const words = line.trim();
    if (!words) return [];
    if (!words.startsWith('{"')) return [{ input: words, target: null }];
    const row = jsonOf(words);
    const name = NAMES.find((each) => each in row);
    if (!name) throw new Error(t("corpusBadLine", { n: at + 1 }));
    return [{ input: row[name] ?? "", target: typeof row.target === "string" ? row.target : null }];
  });
  return { inputs: rows.map(({ input }) => input), targets: rows.map(({ target }) => target) };
}

/** @param {string} line @returns {{inputs?: Input, source?: Input, target?: unknown}} */
function jsonOf(line) {
  try {
    return JSON.parse(line);
  } catch {
    return {};
  }
}
