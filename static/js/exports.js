/** The export menu: links to the map's own route, one for each representation. */

import { mapPath } from "./api.js";
import { byId, element } from "./dom.js";
import { t } from "./i18n.js";

const FORMATS = [
  ["json", "JSON"],
  ["csv", "CSV"],
  ["npy", "NumPy"],
  ["png", "PNG"],
  ["html", "HTML"],
];

/** @param {string} id the trace's */
export function showExports(id, site, layer, head) {
  const path = mapPath(id, site, layer, head);
  byId("export-list").replaceChildren(
    element("p", { class: "caption" }, t("exportHead")),
    ...FORMATS.map(([format, name]) =>
      element("a", { href: `${path}?format=${format}`, download: `${site}-${layer}-${head}.${format}` }, name),
    ),
    element("a", { href: `v1/traces/${id}/file`, download: `${id}.safetensors`, class: "apart" }, t("exportTrace")),
  );
}
