/** Exports of what is in view: exact where the window route serves so much at once, else as drawn, and saying so. */

import { asError } from "../../api/request.js";
import { file } from "../../api/routes.js";
import { notice } from "../../views/controls.js";
import { byId, element, save } from "../../views/dom.js";
import { cellsIn } from "../geometry.js";
import { isolated } from "../../text/isolate.js";
import { measureSuffix } from "../../text/measures.js";
import { axisName, siteName, t } from "../../text/i18n.js";
import { showProblem } from "../../views/notices.js";
import { blocks } from "./codes.js";
import { pngOf, printed } from "./print.js";
import { toCsv, toHtml, toNpy, toTable } from "./writers.js";

/** @typedef {import("./atlas.js").Atlas} Atlas */
/** @typedef {import("../../types.js").Range} Range */
/** @typedef {"png" | "csv" | "npy" | "html"} Format */

// Cells in view that are exported exactly: under the service's limit of 32 MiB for each; a page with a figure of more is slow to open.
/** @type {Record<Format, number>} */
const MOST = { png: 0, csv: 1 << 21, npy: 1 << 23, html: 1 << 18 };
const FORMATS = { png: "PNG", csv: "CSV", npy: "NumPy", html: "HTML" };
/** @type {Record<string, number>} */
const BYTES = { json: 16, csv: 16, npy: 4, png: 1, html: 16 }; // a cell at most, as the service counts them
const ANSWER = 32 << 20; // bytes of one answer, the service's limit

/** What is in view, and how it is exported. @param {Atlas} atlas */
function partOf(atlas) {
  const { level } = atlas;
  const { view, shape, shown } = atlas.drawn;
  const [rows, cols] = [cellsIn(view.y, shape[0]), cellsIn(view.x, shape[1])];
  const n = 2 ** level;
  const cells = (rows[1] - rows[0]) * (cols[1] - cols[0]);
  const { layer, head, how, source } = shown;
  const name = `${source.site.name}-${layer}-${head}-rows${rows.join("-")}-cols${cols.join("-")}`;
  const reduced = t(`reduced_${how}`, { n });
  const small = `${name}-${how}${n}x${n}`;
  return { rows, cols, n, name, small, reduced, exact: (/** @type {Format} */ format) => cells <= MOST[format] };
}

/** @param {Atlas} atlas @param {Format} format */
export async function exported(atlas, format) {
  const { source, layer, head } = atlas.drawn.shown;
  const { rows, cols, n, name, small, reduced, exact } = partOf(atlas);
  try {
    const path = source.path({ layer, head }, rows, cols, format);
    if (exact(format) && path !== null) return save(await file(path), `${name}.${format}`);
    if (exact(format) && (format === "csv" || format === "npy")) {
      const weights = await source.exactWindow({ layer, head }, rows, cols);
      const { session, site } = source;
      const labels = [session.queries(site.name).labels.slice(...rows), session.keys(site.name).labels.slice(...cols)];
      const made = format === "csv" ? toTable(weights, labels[0], labels[1]) : toNpy(weights, [labels[0].length, labels[1].length]);
      return save(new Blob([made]), `${name}.${format}`);
    }
    const [shape, { level }] = [atlas.shape, atlas];
    const part = blocks(rows, cols, level, shape, (spot) => atlas.find(spot), source.session.codes);
    if (!part) return notice(t("exportWaits"));
    const error = (100 * (source.session.summary.encodings?.u8log?.relative_error ?? 0)).toFixed(1);
    const what = t("exportCodes", { reduced, error });
    if (format === "csv") return save(new Blob([toCsv(part, n, shape, what)], { type: "text/csv" }), `${small}.csv`);
    if (format === "npy") return save(new Blob([toNpy(part.weights, [part.rows, part.cols])]), `${small}.npy`);
    const canvas = print(atlas, n === 1 ? "" : what, rows, cols);
    const shown = n === 1 ? name : small;
    if (format === "png") return save(await pngOf(canvas), `${shown}.png`);
    const words = wordsOf(atlas, what, rows, cols);
    const page = toHtml(words.title, words.note, canvas.toDataURL("image/png"));
    save(new Blob([page], { type: "text/html" }), `${shown}.html`);
  } catch (problem) {
    showProblem(asError(problem));
  }
}

/** What is written around the picture. @param {Atlas} atlas @param {string} what @param {Range} rows @param {Range} cols */
function wordsOf(atlas, what, rows, cols) {
  const { source, layer, head } = atlas.drawn.shown;
  const { model, task } = source.session.summary;
  const { name, queries, keys } = source.site;
  return {
    title: `${isolated(model)} · ${siteName(name)} · ${t("headName", { layer, head })}${measureSuffix(source.unitOf({ layer, head }))}`,
    note: t("exportNote", { rows: rows.join(":"), cols: cols.join(":"), what: what || t("exportExact") }),
    queries: t("queries", { name: axisName(queries, task) }),
    keys: t("keys", { name: axisName(keys, task) }),
    low: byId("legend-low").textContent ?? "",
    high: byId("legend-high").textContent ?? "",
  };
}

/** @param {Atlas} atlas @param {string} what @param {Range} rows @param {Range} cols */
const print = (atlas, what, rows, cols) => printed(atlas, wordsOf(atlas, what, rows, cols));

/** The menu's upper part: the view's formats. @param {Atlas} atlas @returns {HTMLElement[]} */
function viewMenu(atlas) {
  const formats = /** @type {Format[]} */ (Object.keys(FORMATS));
  return [
    element("p", { class: "caption" }, t("exportView")),
    ...formats.map((format) => {
      /** @param {Event} event */
      const click = (event) => {
        event.preventDefault();
        exported(atlas, format);
      };
      return element("a", { href: "#", role: "button", data: { format }, on: { click } }, FORMATS[format]);
    }),
  ];
}

/** Makes the export menu that of a long map: what is in view, and of the whole head what one answer holds. @param {Atlas} atlas */
export function showViewExports(atlas) {
  const list = byId("export-list");
  const [rows, cols] = atlas.shape;
  /** @type {NodeListOf<HTMLAnchorElement>} */
  const links = list.querySelectorAll("a:not(.apart)");
  for (const link of links) {
    const format = new URL(link.href).searchParams.get("format") ?? "";
    if (rows * cols * BYTES[format] > ANSWER) link.remove();
  }
  if (!list.querySelector("a:not(.apart)")) list.querySelector(".caption")?.remove();
  list.prepend(...viewMenu(atlas));
}
