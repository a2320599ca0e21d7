/** Puts the page together: controls, keys and address on one side, the explorer on the other. */

import { heldKey } from "./api/key.js";
import { asError } from "./api/request.js";
import { ask, reopen } from "./asking.js";
import { fitting } from "./beginning.js";
import { floorOf, PALETTES } from "./map/colour.js";
import { choice, closeOutside, fillSelect, listenToTabs, notice, setChoice } from "./views/controls.js";
import { byId, element } from "./views/dom.js";
import { draftOf, sameDraft } from "./input/draft.js";
import { CLOSER, OVER, POINTS, SCALES, SORTS, VIEWS } from "./choices.js";
import { Explorer } from "./explorer.js";
import { featuresOf } from "./features.js";
import { Files } from "./files.js";
import { Form } from "./input/form.js";
import { keysOf, share } from "./moves.js";
import { siteName, siteTitle, t, useLanguage } from "./text/i18n.js";
import { changeKey, listenForKeys } from "./views/key-dialog.js";
import { keyCaps, KEYS, listen } from "./views/keys.js";
import { showLegend } from "./map/legend.js";
import { showProblem } from "./views/notices.js";
import { language, onSystemTheme, setLanguage, setTheme, theme } from "./preferences.js";
import { isMasked } from "./source/session.js";
import { isLong } from "./map/atlas/levels.js";
import { madeFrom } from "./map/made.js";
import { closeDrawer, listenToDrawer } from "./views/drawer.js";
import { listenToReading, showReading } from "./views/reading.js";
import { tellingUnread } from "./views/unread.js";
import { stateHere } from "./link.js";

/** @typedef {import("./types.js").History} History */
/** @typedef {import("./types.js").State} State */

const explorer = new Explorer(changed);
const form = new Form({ shown: () => explorer.session?.draft ?? null });
const { models, inputs } = form;
const files = new Files(explorer, form, shown);
explorer.beside.features.push(...featuresOf({ explorer, form, run, shown }));

/** @type {Explorer["session"]} whose sites have tabs */
let tabbed = null;

/** Shows the state in the controls. @param {State} state */
function changed(state) {
  if (explorer.session !== tabbed) tabs();
  const scale = explorer.scale();
  setChoice("scale", scale);
  byId("palette").value = state.palette;
  setChoice("over", state.over);
  setChoice("turn", state.point || "queries");
  setChoice("view", state.view || "map");
  byId("map").dataset.view = state.view || "map";
  byId("sort").value = state.sort;
  for (const tab of shownTabs()) {
    const chosen = tab.dataset.site === state.site;
    tab.setAttribute("aria-selected", String(chosen));
    tab.tabIndex = chosen ? 0 : -1;
  }
  const site = explorer.session?.findSite(state.site);
  byId("turn").hidden = !site || (site.queries !== site.keys && site.keys !== "prefix");
  byId("over").hidden = !site || site.heads < 2 || isLong(site);
  const axes = site && explorer.session ? [explorer.session.queries(site.name), explorer.session.keys(site.name)] : [];
  const made = axes.some((axis) => madeFrom(axis) !== null);
  showLegend(state.palette, scale, isMasked(site), made, floorOf(site?.shape[1] ?? 0));
  if (axes.length) showReading(axes[0], state.palette);
  for (const feature of explorer.beside.features) feature.changed?.(state);
  form.stale();
}

/** @returns {HTMLElement[]} */
const shownTabs = () => /** @type {HTMLElement[]} */ ([...byId("sites").children]);

function tabs() {
  tabbed = explorer.session;
  const sites = tabbed?.summary.sites ?? [];
  byId("sites").replaceChildren(
    ...sites.map(({ name }) =>
      element("button", {
        type: "button",
        class: "tab",
        role: "tab",
        "aria-controls": "heat",
        title: siteTitle(name),
        textContent: siteName(name),
        data: { site: name },
        on: { click: () => explorer.go({ site: name }, "push") },
      }),
    ),
  );
}

/** Everything that has words in it; once at the start, and when the language changes. */
function refresh() {
  useLanguage(language());
  choice("scale", SCALES, t, (scale) => restyle({ scale }));
  fillSelect(
    byId("palette"),
    PALETTES.map((name) => [name, t(name)]),
  );
  choice("over", OVER, (over) => t(`over_${over}`), overHeads);
  choice("view", VIEWS, (view) => t(`view_${view}`), look);
  choice("turn", POINTS, (side) => t(`turn_${side}`), turn);
  for (const input of byId("turn").querySelectorAll("input")) input.title = t(`turn_${input.value}Title`);
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
  models.fill();
  form.refresh();
  explorer.long.refresh();
  explorer.beside.translate();
  tabs();
  changed(explorer.state);
}

/** Colours and order change what is drawn, not what is shown. @param {Partial<State>} patch */
function restyle(patch) {
  explorer.record(patch, "replace");
  if (explorer.session) explorer.showMap();
}

/** One head, or all of its layer. @param {State["over"]} over */
const overHeads = (over) => explorer.go({ over }, "replace");

/** Another way to see the same head. @param {State["view"] | "map"} name of the view */
function look(name) {
  const view = name === "map" ? "" : name;
  explorer.record({ view }, "push");
  explorer.beside.see(view);
}

/** What is pointed at asks, or is asked. @param {string} side */
const turn = (side) => restyle({ point: side === "keys" ? "keys" : "" });

/** @type {Partial<State>} */
const FRESH = { over: "", objective: "", row: null, col: null, rows: null, cols: null };

/** @param {Partial<State>} [patch] @param {History} [history] */
async function run(patch = {}, history = "push") {
  if (!models.list.length) return start();
  if (inputs.kind && inputs.lacksFile()) {
    showProblem(new Error(t(`missing_${inputs.kind}`)));
    return inputs.markInvalid(inputs.kind);
  }
  const before = explorer.session;
  await ask(explorer, form.draft(patch.model), models.chosen(), { ...FRESH, ...patch }, history, () => run(patch, history));
  answered(before);
}

/** Another answer may have other sites, and may have loaded its model, which may have unloaded another. @param {Explorer["session"]} before */
function answered(before) {
  if (!["loaded", undefined].includes(models.find(explorer.state.model)?.state)) models.reload();
  if (explorer.session !== before) shown();
}

/** Another session is on show, or none. */
function shown() {
  for (const feature of explorer.beside.features) feature.answered?.(explorer.session);
  changed(explorer.state);
}

/** @param {number} index of an example */
function pick(index) {
  form.pick(index);
  run();
}

/** Another model answers what is in the form, where it can at once. */
function switched() {
  form.switched();
  const model = models.chosen();
  if (form.blank() || model?.state === "failed" || model?.state === "unloaded") return nothing();
  return run({ site: "", layer: null, head: null });
}

/** The map's place says that there is none yet. @param {History} [history] */
function nothing(history = "push") {
  explorer.clear({ model: byId("model").value }, history);
  shown();
  tabs();
  byId("empty").hidden = false;
  byId("empty").textContent = t("empty");
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
  refresh();
  explorer.translate();
  if (explorer.session) explorer.showMap();
}

/** Another key, or none: then nothing stays on show that came with it. */
async function access() {
  const held = heldKey();
  if (await changeKey()) return models.reload();
  if (!held || heldKey()) return;
  explorer.files.clear();
  nothing("replace");
  notice(t("keyForgotten"));
}

function escape() {
  byId("export").open = byId("options").open = false;
  closeDrawer();
  if (document.activeElement instanceof HTMLElement) document.activeElement.blur();
}

function listenToAll() {
  byId("form").addEventListener("submit", (event) => {
    event.preventDefault();
    run();
  });
  /** @param {string} id @param {string} event @param {EventListener} handler */
  const on = (id, event, handler) => byId(id).addEventListener(event, handler);
  on("model", "change", switched);
  on("examples", "change", () => byId("examples").value && pick(Number(byId("examples").value)));
  on("sort", "change", () => restyle({ sort: byId("sort").value }));
  on("palette", "change", () => restyle({ palette: PALETTES.find((name) => name === byId("palette").value) }));
  on("zoom-in", "click", () => explorer.painter.zoom(CLOSER));
  on("zoom-out", "click", () => explorer.painter.zoom(1 / CLOSER));
  on("reset", "click", () => explorer.painter.reset());
  on("theme", "click", switchTheme);
  on("language", "click", switchLanguage);
  on("share", "click", share);
  on("key-open", "click", access);
  on("help-open", "click", () => byId("help").showModal());
  on("help-close", "click", () => byId("help").close());
  listenToTabs(byId("sites"));
  closeOutside(byId("export"));
  closeOutside(byId("options"));
  listenToDrawer();
  listenToReading();
  onSystemTheme(retint);
  window.addEventListener("popstate", files.carried ? () => files.look() : restore);
  files.listen();
  listen({
    keyRun: () => run(),
    keyInput: () => inputs.focus(),
    keyFile: () => inputs.kind && byId("file").click(),
    keyOptions: () => {
      byId("options").open = !byId("options").open;
      /** @type {HTMLElement | null} */
      const first = byId("options-list").querySelector("input, select");
      if (byId("options").open) first?.focus();
    },
    keyExample: () => form.next() && run(),
    keyModel: () => byId("model").focus(),
    ...keysOf(explorer, { restyle, overHeads, turn, look }),
    keyTheme: switchTheme,
    keyLanguage: switchLanguage,
    keyAccess: access,
    keyClose: escape,
    ...Object.assign({}, ...explorer.beside.features.map(({ keys }) => keys)),
  });
}

/** Brings the address's state back: at the start, and on back and forward. */
const restore = () => tellingUnread(restored);

async function restored() {
  const wanted = stateHere();
  const name = wanted.model || models.list[0]?.name || "";
  const typed = form.unsent(); // what a reader has written and not sent stays, whatever is gone back to
  byId("model").value = name;
  form.refresh();
  form.last = models.chosen();
  const state = { ...wanted, model: name };
  const draft = draftOf(state);
  const given = Object.values(draft.fields).some(Boolean);
  if (given || wanted.trace) {
    const fields = Object.fromEntries(inputs.texts().map((field) => [field, draft.fields[field] ?? ""]));
    inputs.fill({ ...draft, fields, media: explorer.files.get(wanted.trace) ?? null });
  } else if (form.blank()) form.pick(0);
  if (typed) queueMicrotask(() => form.put(typed)); // once what is asked has been read from the form
  const { session } = explorer;
  const now = { ...form.draft(name), edits: draft.edits, media: session?.draft.media ?? null };
  if (session && sameDraft(now, session.draft) && (!wanted.trace || wanted.trace === session.summary.id)) {
    explorer.record(fitting(state, session), "none");
    return explorer.showMap("none");
  }
  const history = window.location.hash.length > 1 ? "none" : "replace";
  if (wanted.trace) {
    await reopen(explorer, form, state, models.chosen(), "replace", restore);
    return answered(session);
  }
  return form.blank() ? nothing("none") : run(state, history);
}

async function start() {
  if (files.carried) return files.begin();
  try {
    await models.load();
    await restore();
  } catch (error) {
    showProblem(asError(error), start);
  }
}

refresh();
document.documentElement.dataset.begun = "";
listenForKeys();
listenToAll();
start();
