/** The colour scale beside the map, and whether some cells are masked. */

import { rounded } from "./cells.js";
import { colourAt, LOG_FLOOR, rampOf } from "./colour.js";
import { byId, sharpContext, setText } from "../views/dom.js";
import { theme } from "../preferences.js";

const [WIDTH, HEIGHT] = [96, 8]; // pixels
let shown = ""; // what the ramp shows

/** @param {import("../types.js").Palette} palette @param {import("../types.js").Scale} scale @param {boolean} masked @param {boolean} made whether some of it the model wrote @param {number} [floor] */
export function showLegend(palette, scale, masked, made, floor = LOG_FLOOR) {
  byId("legend-made").hidden = byId("legend-made-text").hidden = !made;
  byId("legend-masked").hidden = byId("legend-masked-text").hidden = !masked;
  setText(byId("legend-low"), scale === "log" ? `≤${floor < LOG_FLOOR ? floor.toExponential() : floor}` : "0");
  setText(byId("legend-high"), "1");
  paint(palette);
}

/** The scale of a measure's values. @param {import("../types.js").Unit} unit @param {import("../types.js").Palette} palette @param {import("../types.js").Scale} scale */
export function showUnit(unit, palette, scale) {
  const log = scale === "log";
  const low = unit.signed ? -unit.limit : log ? LOG_FLOOR * unit.limit : 0;
  setText(byId("legend-low"), (log && !unit.signed ? "≤" : "") + rounded(low, 2));
  setText(byId("legend-high"), rounded(unit.limit, 2));
  paint(rampOf(palette, unit));
}

/** @param {import("./colour.js").Ramp} ramp */
function paint(ramp) {
  const painted = `${ramp} ${theme()} ${window.devicePixelRatio}`;
  if (painted === shown) return;
  shown = painted;
  const context = sharpContext(byId("legend"), WIDTH, HEIGHT);
  for (let x = 0; x < WIDTH; x++) {
    context.fillStyle = `rgb(${colourAt(ramp, theme(), x / (WIDTH - 1)).join(",")})`;
    context.fillRect(x, 0, 1, HEIGHT);
  }
}
