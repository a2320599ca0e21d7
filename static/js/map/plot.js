/** Plotly's script, and what every plot here is set up with. */

import { byId } from "../views/dom.js";

export const FONT =
  'ui-monospace, "SFMono-Regular", Menlo, Consolas, "DejaVu Sans Mono", "Noto Sans Mono CJK SC", monospace';
export const CONFIG = {
  displayModeBar: false,
  showSendToCloud: false,
  scrollZoom: true,
  doubleClick: false,
  showTips: false,
  responsive: false,
  showAxisDragHandles: false,
};

/** Resolves when Plotly's script has run. */
export const plotly = new Promise((resolve, reject) => {
  if (window.Plotly) return resolve(window.Plotly);
  const script = byId("plotly");
  script.addEventListener("load", () => resolve(window.Plotly));
  script.addEventListener("error", () => reject(new Error("plotly did not load")));
});
