/** What a reader does on a heatmap: pointing at cells and labels, clicks, the wheel; drags are Plotly's own. */

import { zoomed } from "../geometry.js";
import { onceAFrame } from "../../views/dom.js";

/** @typedef {import("./heatmap.js").Heatmap} Heatmap */

const DOUBLE_CLICK = 350; // milliseconds
const STILL = 4; // pixels: a press and release nearer than this is a click
const WHEEL = 1.0015; // of zoom a pixel of the wheel, as on long maps
const PINCH = 1.01; // a trackpad's pinch comes as a wheel with Ctrl, in small steps
const LINE = 16; // pixels of a wheel that counts lines
const WHEEL_REST = 160; // milliseconds: then the wheel's turn is over

/** @param {Heatmap} heatmap */
export function listen(heatmap) {
  const { root } = heatmap;
  const drawSoon = onceAFrame(() => void heatmap.draw());
  /** @type {[number, number] | null} where the pointer went down */
  let down = null;
  let [clicked, resting] = [-Infinity, 0];
  let there = [0, 0];
  root.addEventListener("pointermove", (event) => {
    if (heatmap.frame && !event.buttons) heatmap.on.hover(heatmap.placeUnder(event));
  });
  root.addEventListener("pointerleave", () => heatmap.frame && heatmap.on.hover(null));
  root.addEventListener("pointerdown", (event) => (down = [event.clientX, event.clientY]), true);
  // There is nothing to pan where all of the map is in view; Plotly would crop it. With Shift a box is drawn.
  root.addEventListener(
    "mousedown",
    (event) => heatmap.frame && heatmap.whole() && !event.shiftKey && event.stopPropagation(),
    true,
  );
  window.addEventListener(
    "pointerup",
    (event) => {
      const from = down;
      down = null;
      if (!from || !heatmap.frame || Math.hypot(event.clientX - from[0], event.clientY - from[1]) > STILL) return;
      const place = heatmap.placeUnder(event);
      if (!place) return;
      const { rows, cols } = place;
      if (!rows || !cols) return heatmap.on.ask(place);
      const near = Math.hypot(event.clientX - there[0], event.clientY - there[1]) <= STILL; // else two cells in haste
      const twice = near && event.timeStamp - clicked < DOUBLE_CLICK;
      there = [event.clientX, event.clientY];
      clicked = twice ? -Infinity : event.timeStamp;
      if (twice) heatmap.reset();
      else heatmap.on.choose({ row: rows[0], col: cols[0] });
    },
    true,
  );
  root.addEventListener(
    "wheel",
    (event) => {
      const point = heatmap.frame && heatmap.pointUnder(event);
      const turned = event.deltaY * (event.deltaMode === 1 ? LINE : 1);
      if (!point || (turned > 0 && heatmap.whole())) return; // there is no more to see: the page may scroll
      event.preventDefault();
      const { rows, cols } = heatmap.map;
      const view = zoomed(heatmap.view, (event.ctrlKey ? PINCH : WHEEL) ** turned, point, rows, cols);
      heatmap.setView(view, false);
      drawSoon();
      clearTimeout(resting);
      resting = window.setTimeout(() => heatmap.frame && heatmap.setView(heatmap.view, true), WHEEL_REST);
    },
    { passive: false },
  );
}
