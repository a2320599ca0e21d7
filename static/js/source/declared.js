/** The measures that the page knows itself, in the words in which a service declares its own. */

import { t } from "../text/i18n.js";

/** @typedef {import("./file_measures.js").Known} Known */

/** @param {Known} known @returns {import("../types.js").Measure} */
export const declared = ({ name, signed, formula, sites }) => ({
  name,
  kind: "cell",
  description: t(`measureSays_${name}`),
  formula,
  source: "",
  range: t(signed ? "rangeSigned" : name === "weights" ? "rangeWeights" : "rangeSize"),
  signed,
  objective: signed,
  cost: "",
  where: "",
  example: "",
  sites: sites.map(({ site, lacking }) => ({
    site,
    lacks: lacking ? t(lacking) : null,
    objective: lacking === "lacksObjective",
  })),
});
