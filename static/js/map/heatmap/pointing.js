/** What a reader does on a heatmap: pointing at cells and labels, clicks, the wheel; drags are Plotly's own. */

import { listenToClicks } from "../clicks.js";
import { zoomed } from "../geometry.js";
import { onceAFrame } from "../../views/dom.js";

/** @typedef {import("./heatmap.js").Heatmap} Heatmap */

const WHEEL = 1.0015; // of zoom a pixel of the wheel, as on long maps
const PINCH = 1.01; // a trackpad's pinch comes as a wheel with Ctrl, in small steps
const LINE = 16; // pixels of a wheel that counts lines
const WHEEL_REST = 160; // milliseconds: then the wheel's turn is over

/** @param {Heatmap} heatmap */
export function listen(heatmap) {
  const { root } = heatmap;
  const drawSoon = onceAFrame(() => heatmap.draw());
  let resting = 0;
  root.addEventListener("pointermove", (event) => {
    if (heatmap.frame && !event.buttons) heatmap.on.hover(heatmap.placeUnder(event));
  });
  root.addEventListener("pointerdown", () => heatmap.axes.hurry());
  root.addEventListener("pointerleave", () => heatmap.frame && heatmap.on.hover(null));
  // There is nothing to pan where all of the map is in view; Plotly would crop it. With Shift a box is drawn.
  root.addEventListener(
    "mousedown",
    (event) => heatmap.frame && heatmap.whole() && !event.shiftKey && event.stopPropagation(),
    true,
  );
  listenToClicks({
    root,
    ready: () => heatmap.frame !== null,
    under: (event) => heatmap.placeUnder(event),
    on: heatmap.on,
    reset: () => heatmap.reset(),
  });
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
