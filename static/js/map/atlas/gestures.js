/** What a reader does on a long map: wheel, drags (Plotly's own), clicks, a resting pointer, keys. */

import { listenToClicks } from "../clicks.js";
import { zoomed } from "../geometry.js";
import { placeUnder, pointUnder } from "./under.js";

/** @typedef {import("./atlas.js").Atlas} Atlas */

const WHEEL = 1.0015; // of zoom a pixel of the wheel: a notch of 100 shows a seventh less
const PINCH = 1.01; // a trackpad's pinch comes as a wheel with Ctrl, in small steps
const LINE = 16; // pixels of a wheel that counts lines
const WHEEL_REST = 160; // milliseconds: then the wheel's turn is over
const STEP = 1 / 8; // of the view, for an arrow key

/** @type {Record<string, [number, number]>} to the right and down, in views */
const KEYS = {
  ArrowLeft: [-STEP, 0],
  ArrowRight: [STEP, 0],
  ArrowUp: [0, -STEP],
  ArrowDown: [0, STEP],
  PageUp: [0, -1],
  PageDown: [0, 1],
  Home: [-Infinity, -Infinity],
  End: [Infinity, Infinity],
};

/** @param {Atlas} atlas */
export function listen(atlas) {
  const { root } = atlas;
  let resting = 0;
  root.addEventListener("pointermove", (event) => {
    if (atlas.box && !event.buttons) atlas.on.hover(placeUnder(atlas, event));
  });
  root.addEventListener("pointerleave", () => atlas.box && atlas.on.hover(null));
  listenToClicks({
    root,
    ready: () => atlas.box !== null,
    covered: ({ target }) => /** @type {Element} */ (target).closest("#tiles-problem") !== null,
    under: (event) => placeUnder(atlas, event),
    on: atlas.on,
    reset: () => atlas.reset(),
  });
  root.addEventListener(
    "wheel",
    (event) => {
      const cell = atlas.box && pointUnder(atlas, event);
      if (!cell) return;
      event.preventDefault();
      const turned = event.deltaY * (event.deltaMode === 1 ? LINE : 1);
      const { view, shape } = atlas;
      atlas.setView(zoomed(view, (event.ctrlKey ? PINCH : WHEEL) ** turned, cell, ...shape), false);
      atlas.axesSoon();
      clearTimeout(resting);
      resting = window.setTimeout(() => atlas.box && atlas.setView(atlas.view, true), WHEEL_REST);
    },
    { passive: false },
  );
  root.addEventListener("keydown", (event) => {
    const by = KEYS[event.key];
    if (!by || !atlas.box || event.target !== root || event.shiftKey || event.ctrlKey || event.altKey || event.metaKey)
      return;
    event.preventDefault();
    atlas.pan(by[0], by[1]);
  });
}
