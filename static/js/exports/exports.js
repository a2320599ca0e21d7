/** The export menu's own part: what is in view as it is in view, and the request that makes it. */

import { heldKey } from "../api/key.js";
import { asError, isAbort } from "../api/request.js";
import { file, tracePath } from "../api/routes.js";
import { bodyOf } from "../input/draft.js";
import { encodeState } from "../link.js";
import { toCsv, toHtml, toNpy, toTable } from "../map/atlas/writers.js";
import { cellsIn } from "../map/geometry.js";
import { theme } from "../preferences.js";
import { HttpSource } from "../source/http_source.js";
import { t } from "../text/i18n.js";
import { tokenText } from "../text/words.js";
import { choice, copy, notice, setChoice } from "../views/controls.js";
import { byId, element, save } from "../views/dom.js";
import { showProblem } from "../views/notices.js";
import { pdfOf } from "./pdf.js";
import { hasPicture, nameOf, pictureOf, sessionOf } from "./picture.js";
import { pngOf } from "./png.js";
import { curlOf, pythonOf } from "./requests.js";
import { ribbonsOf } from "./ribbons.js";
import { sheetOf } from "./sheet.js";
import { svgOf } from "./svg.js";
import { MOST_CELLS, tikzOf } from "./tikz.js";
import { carrying } from "./carried.js";

/** @typedef {import("../explorer.js").Explorer} Explorer */
/** @typedef {import("../types.js").Axis} Axis */
/** @typedef {import("../types.js").Theme} Theme */
/** @typedef {import("./picture.js").Part} Part */
/** @typedef {import("./picture.js").Picture} Picture */
/** @typedef {"svg" | "pdf" | "png" | "tikz" | "csv" | "npy" | "html"} Format */

/** @type {Record<Format, string>} */
const FORMATS = { svg: "SVG", pdf: "PDF", png: "PNG", tikz: "TikZ", csv: "CSV", npy: "NumPy", html: "HTML" };
/** @type {Record<Format, string>} */
const TYPES = { svg: "image/svg+xml", pdf: "application/pdf", png: "image/png", tikz: "text/x-tex", csv: "text/csv", npy: "application/octet-stream", html: "text/html" };
const ENDINGS = { svg: "svg", pdf: "pdf", png: "png", tikz: "tex", csv: "csv", npy: "npy", html: "html" };
// Cells in view that are exported exactly: under the service's limit of 32 MiB for each.
const EXACT = { csv: 1 << 21, npy: 1 << 23 };
const FIGURE = 1 << 18; // cells: a page with a figure of more is slow to open
/** @type {Format[]} those that the ribbons have */
const DRAWN = ["svg", "png"];
/** @type {("paper" | "shown")[]} */
const COLOURS = ["paper", "shown"];

/** @implements {Pick<import("../features.js").Feature, "translate" | "use" | "changed" | "answered" | "keys">} */
export class Exports {
  /** @param {import("../features.js").Page} page */
  constructor({ explorer }) {
    this.explorer = explorer;
    /** @type {"paper" | "shown"} */
    this.colours = "paper";
    this.caption = element("p", { class: "caption" });
    this.choice = element("div", { class: "choice", id: "export-colours", role: "radiogroup" });
    this.buttons = Object.keys(FORMATS).map((name) => {
      const format = /** @type {Format} */ (name);
      return element("button", { type: "button", class: "plain", data: { format }, on: { click: () => this.save(format) } }, FORMATS[format]);
    });
    byId("export-view").append(this.caption, this.choice, element("div", { class: "export-formats" }, ...this.buttons));
    const make = (/** @type {string} */ id, /** @type {() => unknown} */ click) =>
      element("button", { type: "button", class: "plain", id, on: { click } });
    this.page = make("export-page", () => this.savePage());
    this.curl = make("copy-curl", () => this.copy("curl"));
    this.python = make("copy-python", () => this.copy("python"));
    this.heading = element("p", { class: "caption" });
    byId("export-request").append(this.page, this.heading, this.curl, this.python);
    this.keys = { keyPython: () => this.served && this.copy("python") };
  }

  /** Whether a service keeps the trace. */
  get served() {
    return this.explorer.session?.source instanceof HttpSource;
  }

  /** Another map is on show. */
  use() {
    this.refresh();
  }

  /** Another view is, or nothing. */
  changed() {
    this.refresh();
  }

  /** Another answer, or none. */
  answered() {
    this.refresh();
  }

  /** What the menu offers now. */
  refresh() {
    const { session, state } = this.explorer;
    byId("export-view").hidden = !session || !["", "ribbons"].includes(state.view);
    byId("export-request").hidden = !this.served;
    for (const button of this.buttons)
      button.hidden = state.view !== "" && !DRAWN.includes(/** @type {Format} */ (button.dataset.format));
  }

  /** In the page's language. */
  translate() {
    this.caption.textContent = t("exportAsShown");
    this.choice.setAttribute("aria-label", t("exportColours"));
    choice("export-colours", COLOURS, (name) => t(`exportColours_${name}`), (name) => (this.colours = name));
    setChoice("export-colours", this.colours);
    for (const button of this.buttons) button.title = t(`exportTitle_${button.dataset.format}`);
    this.page.textContent = t("exportPage");
    this.page.title = t("exportPageTitle");
    this.heading.textContent = t("exportRequest");
    this.curl.textContent = t("copyCurl");
    this.python.textContent = t("copyPython");
  }

  /** Saves what is in view. @param {Format} format */
  async save(format) {
    try {
      const made = await this.made(format);
      if (made) save(new Blob([made.content], { type: TYPES[format] }), `${made.name}.${ENDINGS[format]}`);
    } catch (error) {
      if (!isAbort(error)) showProblem(asError(error));
    }
  }

  /** @param {Format} format @returns {Promise<{content: BlobPart, name: string} | null>} null: it is said why not */
  async made(format) {
    const { explorer } = this;
    if (explorer.state.view === "ribbons") return this.ribbons(format);
    if (!hasPicture(explorer)) return null;
    if (format === "csv" || format === "npy") return this.numbers(format);
    const figure = format === "html" ? await this.figure() : null;
    if (figure) return figure;
    const picture = pictureOf(explorer, this.theme);
    if (!picture) return this.say("exportWaits");
    const { name, words } = picture;
    if (format === "tikz") {
      if (picture.width * picture.height > MOST_CELLS) return this.say("exportTikzMost", { n: MOST_CELLS });
      return { content: tikzOf(picture), name };
    }
    const sheet = sheetOf(picture);
    if (format === "pdf") return { content: await pdfOf(sheet), name };
    const svg = svgOf(sheet);
    if (format === "png") return { content: await pngOf(svg, sheet), name };
    if (format === "svg") return { content: svg, name };
    return { content: toHtml(words.title, svg), name };
  }

  /** The service's own figure of a long map's window, to be moved in, where it is of so many cells. */
  async figure() {
    const { long, head } = this.explorer;
    if (!long.active) return null;
    const part = this.range();
    const { rows, cols } = part;
    if ((rows[1] - rows[0]) * (cols[1] - cols[0]) > FIGURE) return null;
    const path = long.source.path(head, rows, cols, "html");
    return path && { content: await file(path), name: nameOf(this.explorer, part) };
  }

  /** @returns {Theme} of the file */
  get theme() {
    return this.colours === "paper" ? "light" : theme();
  }

  /** @param {string} name of what is said @param {Record<string, number>} [values] @returns {null} */
  say(name, values) {
    notice(t(name, values));
    return null;
  }

  /** The ribbons, in the colours of the theme on show: the others are not on the page. @param {Format} format */
  async ribbons(format) {
    const { root } = this.explorer.beside.ribbons;
    /** @type {SVGSVGElement | null} */
    const sheet = root.querySelector(".ribbon-sheet");
    const words = pictureOf(this.explorer, theme())?.words;
    if (!sheet || !words) return this.say("exportWaits");
    const { dataset } = document.documentElement;
    const before = dataset.theme;
    dataset.theme = this.theme; // for as long as it is read: nothing is painted meanwhile
    const drawn = ribbonsOf(sheet, { title: words.title, facts: [words.facts[1]] }, this.theme);
    if (before === undefined) delete dataset.theme;
    else dataset.theme = before;
    const content = format === "png" ? await pngOf(drawn.svg, drawn) : drawn.svg;
    return { content, name: `${nameOf(this.explorer, this.range())}-ribbons` };
  }

  /** The cells in view as numbers: exact where they fit, else as they are drawn, which the file says. @param {"csv" | "npy"} format */
  async numbers(format) {
    const { explorer } = this;
    const { session, state, long, map } = explorer;
    if (!session) return null;
    const seen = this.range();
    const { rows, cols } = seen;
    const [height, width] = [rows[1] - rows[0], cols[1] - cols[0]];
    const name = nameOf(explorer, seen);
    if (height * width <= EXACT[format]) {
      const weights = long.active
        ? await long.source.exactWindow(explorer.head, rows, cols)
        : Float32Array.from({ length: height * width }, (_, at) => map?.weights[(rows[0] + Math.floor(at / width)) * map.cols + cols[0] + (at % width)] ?? 0);
      const [queries, keys] = [named(session.queries(state.site), rows), named(session.keys(state.site), cols)];
      return { content: format === "csv" ? toTable(weights, queries, keys) : toNpy(weights, [height, width]), name };
    }
    const picture = pictureOf(explorer, this.theme);
    if (!picture) return this.say("exportWaits");
    const note = t("exportCodes", { reduced: t(`reduced_${long.shown.how}`, { n: picture.n }), error: this.error });
    const { n } = picture;
    const blocks = { rows: picture.height, cols: picture.width, row: picture.row / n, col: picture.col / n, weights: picture.values };
    const content = format === "csv" ? toCsv(blocks, n, long.atlas.shape, note) : toNpy(picture.values, [picture.height, picture.width]);
    return { content, name: picture.name };
  }

  /** Of a tile's code, in percent. */
  get error() {
    return (100 * (this.explorer.session?.summary.encodings?.u8log?.relative_error ?? 0)).toFixed(1);
  }

  /** The cells in view, whether they are here or not. @returns {Part} */
  range() {
    const { long, heatmap, map } = this.explorer;
    const [height, width] = long.active ? long.atlas.shape : [map?.rows ?? 1, map?.cols ?? 1];
    const { x, y } = long.active ? long.atlas.view : heatmap.view;
    return { rows: cellsIn(y, height), cols: cellsIn(x, width), n: 1, row: 0, col: 0, height, width, values: new Float32Array(), coded: false };
  }

  /** Copies the request that makes this map. @param {"curl" | "python"} language */
  async copy(language) {
    const { session, state } = this.explorer;
    if (!session) return;
    const { layer, head } = this.explorer.head;
    const shown = sessionOf(this.explorer) ?? session;
    const { objective } = shown.summary;
    const of = Object.fromEntries(Object.entries(objective ?? {}).filter(([name]) => name !== "value")); // that is answered
    const body = /** @type {Record<string, unknown>} */ (bodyOf(session.draft, session.model));
    const asked = {
      origin: new URL(".", document.baseURI).href.replace(/\/$/, ""),
      body: objective ? { ...body, objective: of } : body,
      ...{ site: state.site, layer, head: this.explorer.over || head, rows: state.rows, cols: state.cols },
      measure: shown.unitOf(state.site, { layer, head })?.name ?? "weights",
      keyed: heldKey() !== "",
    };
    const text = language === "curl" ? curlOf(asked) : pythonOf(asked);
    notice(t((await copy(text)) ? "requestCopied" : "requestNotCopied"));
  }

  /** The trace as one page with the explorer in it, which opens at this very place, pins included. */
  async savePage() {
    const { session, state } = this.explorer;
    if (!session) return;
    try {
      const { id } = session.summary;
      const page = await (await file(`${tracePath(id)}/page`)).text();
      const { model, text, question, context, source, sentences, labels, parameters, trace, ...place } = state;
      void [model, text, question, context, source, sentences, labels, parameters, trace];
      save(new Blob([carrying(page, encodeState(place))], { type: TYPES.html }), `${id}.html`);
    } catch (error) {
      showProblem(asError(error));
    }
  }
}

/** The tokens of a range, as people read them. @param {Axis} axis @param {import("../types.js").Range} range */
const named = (axis, [start, stop]) => Array.from({ length: stop - start }, (_, at) => tokenText(axis, start + at));
