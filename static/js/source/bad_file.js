/** A file that is no trace, or none that this page shows: why, by a name of text/strings/bad_file.js. */

import { en } from "../text/strings/bad_file.js";

/** @typedef {keyof typeof en} Reason */
/** @typedef {Record<string, string | number>} Values what the sentence is about */
/** @typedef {{reason: Reason, values: Values}} Said as it travels out of a worker */

const LONGEST = 48; // characters of what a file says that stand in a sentence

/** @param {unknown} value */
const short = (value) => {
  const text = String(value);
  return text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text;
};

export class BadFile extends Error {
  /** @param {Reason} reason @param {Record<string, unknown>} [values] */
  constructor(reason, values = {}) {
    const cut = Object.fromEntries(
      Object.entries(values).map(([name, value]) => [name, typeof value === "number" ? value : short(value)]),
    );
    super(en[reason].replace(/\{(\w+)\}/g, (whole, name) => String(cut[name] ?? whole)));
    this.name = "BadFile";
    this.reason = reason;
    /** @type {Values} */
    this.values = cut;
  }
}

/** @param {unknown} holds @param {Reason} reason @param {Record<string, unknown>} [values] @returns {asserts holds} */
export function require(holds, reason, values) {
  if (!holds) throw new BadFile(reason, values);
}
