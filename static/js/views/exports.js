/** The export menu: links to the map's own route, one for each representation. */

import { heldKey } from "../api/key.js";
import { asError } from "../api/request.js";
import { file, tracePath } from "../api/routes.js";
import { toNpy, toTable } from "../map/atlas/writers.js";
import { reducedMap } from "../source/reduced.js";
import { byId, element, save } from "./dom.js";
import { t } from "../text/i18n.js";
import { showProblem } from "./notices.js";

/** @typedef {import("../source/session.js").Session} Session */
/** @typedef {import("../types.js").HeadMap} HeadMap */
/** @typedef {import("../types.js").HeadOrAll} HeadOrAll */

const FORMATS = [
  ["json", "JSON"],
  ["csv", "CSV"],
  ["npy", "NumPy"],
  ["png", "PNG"],
  ["html", "HTML"],
];
/** @param {Session} session @param {string} site @param {HeadOrAll} which @returns {Promise<HeadMap>} */
const mapOf = (session, site, { layer, head }) =>
  typeof head === "number" ? session.map(site, layer, head) : reducedMap(session, site, layer, head);
/** @typedef {(session: Session, site: string, which: HeadOrAll) => Promise<string | Uint8Array<ArrayBuffer>>} Make */
/** @type {Record<string, Make>} what the page makes where there is no service */
const HERE = {
  csv: async (session, site, which) => {
    const { weights } = await mapOf(session, site, which);
    return toTable(weights, session.queries(site).labels, session.keys(site).labels);
  },
  npy: async (session, site, which) => {
    const { weights, rows, cols } = await mapOf(session, site, which);
    return toNpy(weights, [rows, cols]);
  },
};

/** @param {Session} session @param {string} site @param {HeadOrAll} which */
export function showExports(session, site, which) {
  const { id } = session.summary;
  const stem = `${site}-${which.layer}-${which.head}`;
  const served = session.source.path(site, which, "") !== null;
  const formats = FORMATS.filter(([format]) => served || format in HERE);
  byId("export-list").replaceChildren(
    element("p", { class: "caption" }, t("exportHead")),
    ...formats.map(([format, name]) => {
      const download = `${stem}.${format}`;
      const href = session.source.path(site, which, format);
      if (href !== null) return element("a", { href, download, on: { click: withKey } }, name);
      /** @param {Event} event */
      const click = async (event) => {
        event.preventDefault();
        save(new Blob([await HERE[format](session, site, which)]), download);
      };
      return element("a", { href: "#", role: "button", on: { click } }, name);
    }),
    traceLink(session, id),
  );
}

/** @param {Session} session @param {string} id */
function traceLink({ source }, id) {
  const download = `${id || "trace"}.safetensors`;
  const { file: whole } = source;
  if (!whole)
    return element("a", { href: `${tracePath(id)}/file`, download, class: "apart", on: { click: withKey } }, t("exportTrace"));
  /** @param {Event} event */
  const click = (event) => {
    event.preventDefault();
    save(whole, download);
  };
  return element("a", { href: "#", role: "button", class: "apart", on: { click } }, t("exportTrace"));
}

/** A link sends no key, so with one the page fetches the file itself and saves that. @param {MouseEvent} event */
async function withKey(event) {
  const link = event.currentTarget;
  if (!heldKey() || !(link instanceof HTMLAnchorElement)) return;
  event.preventDefault();
  const { href, download } = link;
  try {
    save(await file(href), download);
  } catch (error) {
    showProblem(asError(error));
  }
}
