/** What every plot here is set up with, and how it is listened to. */

export { FOLDED } from "../views/narrow.js";

export const FONT =
  'ui-monospace, "SFMono-Regular", Menlo, Consolas, "DejaVu Sans Mono", "Noto Sans Mono CJK SC", monospace';
export const CHARACTER = 7.3; // pixels of that face at 12 px, the labels'
export const CONFIG = {
  displayModeBar: false,
  showSendToCloud: false,
  scrollZoom: false, // the wheel is ours: it zooms about the pointer and never past the whole map
  doubleClick: false,
  showTips: false,
  responsive: false,
  showAxisDragHandles: false,
};

/**
 * The part of Plotly that is used here: its own types are larger than this page.
 *
 * @typedef {Record<string, unknown>} Options of a trace, a layout or an axis, as Plotly's reference has them
 * @typedef {HTMLElement & {on: (event: string, listener: (change: Relayout) => void) => void}} PlotElement once plotted
 * @typedef {Record<string, number | [number, number] | undefined>} Relayout what a gesture changed, by the option's path
 * @typedef {{react: (root: HTMLElement, traces: Options[], layout: Options, config: Options) => Promise<unknown>}} Plotly
 */

/**
 * Listens to Plotly's own pan and zoom, which it reports while they go on and once more at their end.
 *
 * @param {HTMLElement} root with a plot in it
 * @param {(change: Relayout, done: boolean) => void} moved
 */
export function onGesture(root, moved) {
  const plot = /** @type {PlotElement} */ (root);
  plot.on("plotly_relayouting", (change) => moved(change, false));
  plot.on("plotly_relayout", (change) => moved(change, true));
}

/**
 * The view after a gesture.
 *
 * @param {Relayout} change
 * @param {import("./geometry.js").View} before of which what did not change stays
 * @returns {import("./geometry.js").View}
 */
export function viewAfter(change, before) {
  /** @param {"x" | "y"} side @returns {[number, number]} */
  const stretch = (side) => {
    const whole = change[`${side}axis.range`];
    const [low, high] = Array.isArray(whole) ? whole : [change[`${side}axis.range[0]`], change[`${side}axis.range[1]`]];
    if (typeof low !== "number" || typeof high !== "number") return before[side];
    return [Math.min(low, high), Math.max(low, high)];
  };
  return { x: stretch("x"), y: stretch("y") };
}
