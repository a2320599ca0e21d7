/** Counts as people say them: 9.9 million, 990 万. */

import { t } from "./i18n.js";

const NUMBERS = /** @type {[number, string][]} */ ([
  [1e9, "billions"],
  [1e6, "millions"],
  [1e3, "thousands"],
]);
const MYRIADS = /** @type {[number, string][]} */ ([
  [1e8, "billions"],
  [1e4, "millions"],
]);

/** The unit's text says by which numbers a language counts. @param {number} count @returns {string} */
export function counted(count) {
  const units = t("countBy") === "4" ? MYRIADS : NUMBERS;
  const [size, name] = units.find(([least]) => count >= least) ?? [1, ""];
  if (!name) return String(count);
  const n = count / size;
  return t(name, { n: String(Number(n.toPrecision(n >= 100 && units === NUMBERS ? 3 : 2))) }); // more is no use to anybody
}
