/** Plain words around the map: which head it is, what its axes are, how far it is proven. */

import { axisName, siteName, t } from "../text/i18n.js";
import { measureSuffix } from "../text/measures.js";
import { showCertificate } from "./certificate.js";
import { byId, setText } from "./dom.js";

/**
 * @param {import("../source/session.js").Session} session
 * @param {string} site
 * @param {import("../types.js").Head} which
 * @param {import("../types.js").HeadMap} map
 * @param {"" | import("../types.js").Over} [over] all heads of the layer
 * @returns {string} the map's name, for those who do not see it
 */
export function showCaptions(session, site, { layer, head }, { rows, cols, unit }, over = "") {
  const { queries, keys, heads } = session.site(site);
  const { task, certificate } = session.summary;
  const whose = over ? t(`overName_${over}`, { layer, heads }) : t("headName", { layer, head });
  const which = whose + measureSuffix(unit);
  const label = t(over ? "overLabel" : "heatmapLabel", { site: siteName(site), which, layer, head, rows, cols }) + measureSuffix(unit);
  setText(byId("now"), which);
  byId("heat").setAttribute("aria-label", label);
  setText(byId("query-name"), t("queries", { name: axisName(queries, task) }));
  setText(byId("key-name"), t("keys", { name: axisName(keys, task) }));
  showCertificate(certificate);
  return label;
}

/** How the map on show is drawn. @param {boolean} whole all of it is in view @param {number} n cells a side of a drawn block */
export function showReduction(whole, n) {
  byId("reset").hidden = whole;
  byId("badge").hidden = n === 1;
  setText(byId("badge"), t("pooled", { n }));
  byId("badge").title = t("pooledTitle");
}
