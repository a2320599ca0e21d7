/** Puts the page together: controls, keys and address on one side, the explorer on the other. */

import * as api from "./api.js";
import { strongest } from "./cells.js";
import { colourAt, LOG_FLOOR, PALETTES } from "./colour.js";
import { choice, closeOutside, copy, fillSelect, notice, setChoice, step } from "./controls.js";
import { byId, element, sharpContext } from "./dom.js";
import { Explorer } from "./explorer.js";
import { inPlace, MEASURES } from "./heads.js";
import { siteName, t, useLanguage } from "./i18n.js";
import { keyCaps, KEYS, listen } from "./keys.js";
import { showProblem } from "./notices.js";
import { language, onSystemTheme, setLanguage, setTheme, theme } from "./preferences.js";
import { isCausal } from "./session.js";
import { stateOfLocation } from "./url.js";

const SORTS = ["", ...Object.keys(MEASURES)];
const SCALES = ["linear", "log"];
const CLOSER = 0.6; // of the view remains after one step of zooming in

/** @type {any[]} */
let models = [];
const explorer = new Explorer(changed);

/** Shows the state in the controls. */
function changed(state) {
  const scale = explorer.scale();
  setChoice("scale", scale);
  setChoice("palette", state.palette);
  byId("sort").value = state.sort;
  if (state.model) byId("model").value = state.model;
  for (const tab of byId("sites").children) {
    const chosen = tab.dataset.site === state.site;
    tab.setAttribute("aria-selected", String(chosen));
    tab.tabIndex = chosen ? 0 : -1;
  }
  const causal = isCausal(explorer.session?.site(state.site));
  byId("legend-masked").hidden = byId("legend-masked-text").hidden = !causal;
  byId("legend-low").textContent = scale === "log" ? `≤${LOG_FLOOR}` : "0";
  const context = sharpContext(byId("legend"), 96, 8);
  for (let x = 0; x < 96; x++) {
    context.fillStyle = `rgb(${colourAt(state.palette, theme(), x / 95).join(",")})`;
    context.fillRect(x, 0, 1, 8);
  }
  stale();
}

function tabs() {
  const sites = explorer.session?.summary.sites ?? [];
  byId("sites").replaceChildren(
    ...sites.map(({ name }) =>
      element("button", {
        type: "button",
        class: "tab",
        role: "tab",
        "aria-controls": "heat",
        title: t(`site${name[0].toUpperCase()}${name.slice(1)}Title`),
        textContent: siteName(name),
        data: { site: name },
        on: { click: () => explorer.go({ site: name }, "push") },
      }),
    ),
  );
}

/** The input may run ahead of the translation; then the map is another text's. */
function stale() {
  const old = explorer.session !== null && byId("input").value !== explorer.session.text;
  byId("stale").hidden = !old;
  document.body.classList.toggle("is-stale", old);
  const examples = byId("examples");
  examples.value = byId("input").value;
  if (examples.selectedIndex < 0) examples.value = "";
}

function fillExamples() {
  /** @type {string[]} */
  const list = models.find((model) => model.name === byId("model").value)?.examples ?? [];
  fillSelect(byId("examples"), [
    ["", t("pickExample")],
    ...list.map((text) => /** @type {[string, string]} */ ([text, text])),
  ]);
  byId("examples-field").hidden = list.length === 0;
  return list;
}

/** Everything that has words in it; once at the start, and when the language changes. */
function dress() {
  useLanguage(language());
  choice("scale", SCALES, t, (scale) => restyle({ scale: /** @type {any} */ (scale) }));
  choice("palette", PALETTES, t, (palette) => restyle({ palette: /** @type {any} */ (palette) }));
  fillSelect(
    byId("sort"),
    SORTS.map((name) => [name, name ? t(name) : t("sortPlace")]),
  );
  byId("key-list").replaceChildren(
    ...Object.entries(KEYS).flatMap(([name, keys]) => [
      element("dt", {}, ...keyCaps(keys).flatMap((cap) => [element("kbd", {}, cap), " "])),
      element("dd", {}, t(name)),
    ]),
  );
  fillExamples();
  tabs();
  changed(explorer.state);
}

/** Colours and order change what is drawn, not what is shown. */
function restyle(patch) {
  explorer.record(patch, "replace");
  if (explorer.session) explorer.showMap();
}

async function translate(patch = {}, history = "push") {
  const before = explorer.session;
  const fresh = { row: null, col: null, rows: null, cols: null };
  await explorer.translate({ model: byId("model").value, text: byId("input").value, ...fresh, ...patch }, history);
  if (explorer.session === before) return;
  tabs();
  changed(explorer.state);
}

function pick(text) {
  byId("input").value = text;
  stale();
  translate();
}

function move(by, along) {
  const { session, state } = explorer;
  if (!session || state.layer === null) return;
  const site = session.site(state.site);
  if (along === "layer") {
    const layer = Math.min(Math.max(state.layer + by, 0), site.layers - 1);
    return layer === state.layer ? undefined : explorer.go({ layer }, "step");
  }
  // Before the statistics arrive there is one order only.
  const order = explorer.grid.site === site ? explorer.grid.order() : inPlace(site);
  const at = order.findIndex((row) => row.layer === state.layer && row.head === state.head);
  const next = order[at + by];
  if (at >= 0 && next) explorer.go({ layer: next.layer, head: next.head }, "step");
}

function moveCell(key) {
  if (!explorer.kept) return;
  const { row, col } = explorer.kept;
  const down = { "Shift+ArrowUp": -1, "Shift+ArrowDown": 1 }[key] ?? 0;
  const right = { "Shift+ArrowLeft": -1, "Shift+ArrowRight": 1 }[key] ?? 0;
  const { rows, cols } = explorer.map;
  const clip = (index, count) => Math.min(Math.max(index, 0), count - 1);
  explorer.choose({ row: clip(row + down, rows), col: clip(col + right, cols) });
}

function switchTheme() {
  setTheme(theme() === "dark" ? "light" : "dark");
  retint();
}

function retint() {
  changed(explorer.state);
  if (explorer.session) explorer.showMap();
}

function switchLanguage() {
  setLanguage(language() === "zh" ? "en" : "zh");
  dress();
  if (explorer.session) explorer.showMap();
}

async function share() {
  notice((await copy(window.location.href)) ? t("copied") : t("notCopied"));
}

function openHelp() {
  byId("help").showModal();
}

function escape() {
  byId("export").open = false;
  /** @type {HTMLElement} */ (document.activeElement)?.blur();
}

function listenToAll() {
  byId("form").addEventListener("submit", (event) => {
    event.preventDefault();
    translate();
  });
  byId("input").addEventListener("input", stale);
  byId("model").addEventListener("change", () => (fillExamples(), translate()));
  byId("examples").addEventListener("change", (event) => event.target.value && pick(event.target.value));
  byId("sort").addEventListener("change", (event) => restyle({ sort: event.target.value }));
  byId("zoom-in").addEventListener("click", () => explorer.heatmap.zoom(CLOSER));
  byId("zoom-out").addEventListener("click", () => explorer.heatmap.zoom(1 / CLOSER));
  byId("reset").addEventListener("click", () => explorer.heatmap.reset());
  byId("theme").addEventListener("click", switchTheme);
  byId("language").addEventListener("click", switchLanguage);
  byId("share").addEventListener("click", share);
  byId("help-open").addEventListener("click", openHelp);
  byId("help-close").addEventListener("click", () => byId("help").close());
  byId("sites").addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const tabs = [...byId("sites").children];
    const next = by && step(tabs, event.target, by);
    if (!next) return;
    event.preventDefault();
    next.focus();
    next.click();
  });
  closeOutside(byId("export"));
  onSystemTheme(retint);
  window.addEventListener("popstate", restore);
  const sites = () => explorer.session?.summary.sites.map((site) => site.name) ?? [];
  listen({
    keyTranslate: () => translate(),
    keyInput: () => byId("input").focus(),
    keyExample: () => {
      const list = fillExamples();
      if (list.length) pick(step(list, byId("input").value, 1));
    },
    keyModel: () => byId("model").focus(),
    keyHead: (key) => move(key === "ArrowLeft" ? -1 : 1, "head"),
    keyLayer: (key) => move(key === "ArrowUp" ? -1 : 1, "layer"),
    keySite: (key) =>
      sites().length && explorer.go({ site: step(sites(), explorer.state.site, key === "[" ? -1 : 1) }, "step"),
    keySort: () => restyle({ sort: step(SORTS, explorer.state.sort, 1) }),
    keyCell: moveCell,
    keyStrongest: () =>
      explorer.kept && explorer.choose({ row: explorer.kept.row, col: strongest(explorer.map, explorer.kept.row) }),
    keyZoom: (key) => explorer.heatmap.zoom(key === "+" ? CLOSER : 1 / CLOSER),
    keyReset: () => explorer.heatmap.reset(),
    keyScale: () => restyle({ scale: step(SCALES, explorer.scale(), 1) }),
    keyPalette: () => restyle({ palette: step(PALETTES, explorer.state.palette, 1) }),
    keyExport: () => {
      byId("export").open = true;
      byId("export").querySelector("a")?.focus();
    },
    keyShare: share,
    keyTheme: switchTheme,
    keyLanguage: switchLanguage,
    keyHelp: openHelp,
    keyClose: escape,
  });
}

/** Brings the address's state back: at the start, and on back and forward. */
async function restore() {
  const wanted = stateOfLocation(window.location);
  const model = wanted.model || models[0]?.name || "";
  byId("model").value = model;
  const examples = fillExamples();
  const text = wanted.text || examples[0] || "";
  byId("input").value = text;
  const { session } = explorer;
  if (session && session.text === text && session.model === model) {
    explorer.record(explorer.fitting({ ...wanted, model, text }, session), "none");
    return explorer.showMap("none");
  }
  if (text) return translate({ ...wanted, model, text }, window.location.hash.length > 1 ? "none" : "replace");
  explorer.state = { ...wanted, model };
  byId("empty").hidden = false;
  byId("empty").textContent = t("empty");
}

async function start() {
  dress();
  listenToAll();
  try {
    models = await api.models();
  } catch (error) {
    showProblem(error);
  }
  fillSelect(
    byId("model"),
    models.map(({ name }) => [name, name]),
  );
  await restore();
}

start();
