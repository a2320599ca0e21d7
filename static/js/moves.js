/** What keys do to the map on show. */

import { CLOSER, OVER, SCALES, SORTS } from "./choices.js";
import { isFramed } from "./link.js";
import { strongest } from "./map/cells.js";
import { PALETTES } from "./map/colour.js";
import { stepCell, stepHead } from "./steps.js";
import { t } from "./text/i18n.js";
import { copy, notice, step } from "./views/controls.js";
import { byId } from "./views/dom.js";
import { offered } from "./views/offered.js";

/** @typedef {import("./types.js").State} State */
/**
 * @typedef {object} Changes
 * @property {(patch: Partial<State>) => void} restyle colours and order
 * @property {(over: State["over"]) => void} overHeads one head, or all of its layer
 * @property {(side: string) => void} turn who is pointed at
 * @property {(view: State["view"] | "map") => void} look as a map, or as another view
 */

/** Copies the link to what is on show. */
export async function share() {
  if (isFramed()) return;
  notice((await copy(window.location.href)) ? t("copied") : t("notCopied"));
}

/** @param {import("./explorer.js").Explorer} explorer @param {Changes} on @returns {Record<string, (pressed: string) => unknown>} */
export function keysOf(explorer, on) {
  const sites = () => explorer.session?.summary.sites.map((site) => site.name) ?? [];
  return {
    keyHead: (pressed) => stepHead(explorer, pressed === "ArrowLeft" ? -1 : 1, "head"),
    keyLayer: (pressed) => stepHead(explorer, pressed === "ArrowUp" ? -1 : 1, "layer"),
    keySite: (pressed) =>
      sites().length && explorer.go({ site: step(sites(), explorer.state.site, pressed === "[" ? -1 : 1) }, "step"),
    keyOver: () => byId("over").hidden || on.overHeads(step(OVER, explorer.state.over, 1)),
    keySort: () => on.restyle({ sort: step(SORTS, explorer.state.sort, 1) }),
    keyCell: (pressed) => stepCell(explorer, pressed),
    keyTurn: () => byId("turn").hidden || on.turn(explorer.state.point ? "queries" : "keys"),
    keyView: () => on.look(step(offered(), explorer.state.view || "map", 1)),
    keyRibbons: () => explorer.beside.ribbons.active && explorer.beside.ribbons.chosen.step(),
    keyPin: () => explorer.beside.ribbons.active && explorer.beside.ribbons.chosen.pin(),
    keyDerive: () => explorer.beside.derivation.toggle(),
    keyStep: (pressed) => explorer.beside.derivation.go(pressed === "q" ? -1 : 1),
    keyAllSteps: () => explorer.beside.derivation.toggleAll(),
    keyPicture: () => [byId("picture"), byId("wave")].find((node) => node.checkVisibility())?.focus(),
    keyPlay: () => explorer.beside.scene.wave.play(),
    keyStrongest: () =>
      explorer.map && explorer.choose({ row: explorer.kept.row, col: strongest(explorer.map, explorer.kept.row) }),
    keyFind: () => explorer.long.active && explorer.long.finder.focus(),
    keyTrail: (pressed) => explorer.long.active && explorer.long.atlas.travel(pressed === "," ? -1 : 1),
    keyReduce: () => explorer.long.toggle(),
    keyZoom: (pressed) => explorer.painter.zoom(pressed === "+" ? CLOSER : 1 / CLOSER),
    keyReset: () => explorer.painter.reset(),
    keyScale: () => on.restyle({ scale: step(SCALES, explorer.scale(), 1) }),
    keyPalette: () => on.restyle({ palette: step(PALETTES, explorer.state.palette, 1) }),
    keyExport: () => {
      byId("export").open = true;
      /** @type {HTMLElement | undefined} */ ([...byId("export-menu").querySelectorAll("input, button, a")].find((node) => node.checkVisibility()))?.focus();
    },
    keyShare: share,
    keyHelp: () => byId("help").showModal(),
  };
}
