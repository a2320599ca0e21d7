/** The export menu: links to the map's own route, one for each representation. */

import { heldKey } from "../api/key.js";
import { asError } from "../api/request.js";
import { file, mapPath, tracePath } from "../api/routes.js";
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

/** @param {string} id the trace's @param {string} site @param {number} layer @param {number | import("../types.js").Over} head */
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
      { href: `${tracePath(id)}/file`, download: `${id}.safetensors`, class: "apart", on: save },
      t("exportTrace"),
    ),
  );
}

/** A link sends no key, so with one the page fetches the file itself and saves that. @param {MouseEvent} event */
async function withKey(event) {
  const link = event.currentTarget;
  if (!heldKey() || !(link instanceof HTMLAnchorElement)) return;
  event.preventDefault();
  const { href, download } = link;
  try {
    const url = URL.createObjectURL(await file(href));
    element("a", { href: url, download }).click();
    setTimeout(() => URL.revokeObjectURL(url), 60_000); // the browser has taken it by then
  } catch (error) {
    showProblem(asError(error));
  }
}
