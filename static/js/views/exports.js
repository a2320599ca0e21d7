/** The export menu: links to the map's own route, one for each representation. */

import { key } from "../api/access.js";
import { file, mapPath } from "../api/routes.js";
import { byId, element } from "./dom.js";
import { t } from "../text/i18n.js";
import { showProblem } from "./notices.js";

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
  const save = { click: withKey };
  byId("export-list").replaceChildren(
    element("p", { class: "caption" }, t("exportHead")),
    ...FORMATS.map(([format, name]) =>
      element(
        "a",
        { href: `${path}?format=${format}`, download: `${site}-${layer}-${head}.${format}`, on: save },
        name,
      ),
    ),
    element(
      "a",
      { href: `v1/traces/${id}/file`, download: `${id}.safetensors`, class: "apart", on: save },
      t("exportTrace"),
    ),
  );
}

/** A link sends no key, so with one the page fetches the file itself and saves that. */
async function withKey(event) {
  if (!key()) return;
  event.preventDefault();
  const { href, download } = event.currentTarget;
  try {
    const url = URL.createObjectURL(await file(href));
    element("a", { href: url, download }).click();
    setTimeout(() => URL.revokeObjectURL(url), 60_000); // the browser has taken it by then
  } catch (error) {
    showProblem(error);
  }
}
