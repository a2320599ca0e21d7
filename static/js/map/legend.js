/** The colour scale beside the map, and whether some cells are masked. */

import { colourAt, LOG_FLOOR } from "./colour.js";
import { byId, sharpContext } from "../views/dom.js";
import { theme } from "../preferences.js";

const [WIDTH, HEIGHT] = [96, 8]; // pixels
let shown = ""; // what the ramp shows

/** @param {import("../types.js").Palette} palette @param {import("../types.js").Scale} scale @param {boolean} masked @param {boolean} made whether some of it the model wrote @param {number} [floor] */
export function showLegend(palette, scale, masked, made, floor = LOG_FLOOR) {
  byId("legend-made").hidden = byId("legend-made-text").hidden = !made;
  byId("legend-masked").hidden = byId("legend-masked-text").hidden = !masked;
  byId("legend-low").textContent = scale === "log" ? `≤${floor < LOG_FLOOR ? floor.toExponential() : floor}` : "0";
  const ramp = `${palette} ${theme()} ${window.devicePixelRatio}`;
  if (ramp === shown) return;
  shown = ramp;
  const context = sharpContext(byId("legend"), WIDTH, HEIGHT);
  for (let x = 0; x < WIDTH; x++) {
    context.fillStyle = `rgb(${colourAt(palette, theme(), x / (WIDTH - 1)).join(",")})`;
    context.fillRect(x, 0, 1, HEIGHT);
  }
}
