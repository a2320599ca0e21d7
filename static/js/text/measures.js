/** What measures are called. */

import { known, t } from "./i18n.js";

/** A measure's name as people read it; one that the page does not know keeps its own. @param {string} name empty: weights */
export function measureName(name) {
  const text = `measure_${name || "weights"}`;
  return known(text) ? t(text) : name;
}

/** What stands behind a map's name where its values are no weights. @param {import("../types.js").Unit} [unit] */
export const measureSuffix = (unit) => (unit ? ` · ${measureName(unit.name)}` : "");
