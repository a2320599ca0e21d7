/** Plotly's script, which is many times as large as the page: it comes when a plot is first drawn. */

import { unpacked } from "../source/packed.js";

/** @typedef {import("./plot.js").Plotly} Plotly */

/** @type {Promise<Plotly> | null} */
let coming = null;
let here = false;

/** Whether it has come. */
export const loadedPlotly = () => here;

/**
 * Plotly, from the address that the element `plotly` names, or out of that element in a page that carries it.
 *
 * @returns {Promise<Plotly>}
 * @throws {Error} it did not load, and may when it is asked for again; or it is not in this page
 */
export function plotly() {
  coming ??= load().catch((error) => {
    coming = null;
    throw error;
  });
  return coming;
}

async function load() {
  if (document.readyState === "loading") // a page that carries it has it at its end
    await new Promise((resolve) => document.addEventListener("DOMContentLoaded", resolve, { once: true }));
  const place = document.getElementById("plotly");
  if (!place) throw new Error("plotly is not in this page");
  const script = document.createElement("script");
  const packed = place.textContent?.trim();
  if (packed) {
    script.textContent = new TextDecoder().decode(await unpacked(packed)); // the page's policy knows its hash
    document.head.append(script);
  } else
    await new Promise((resolve, reject) => {
      script.addEventListener("load", resolve);
      script.addEventListener("error", () => reject(new Error("plotly did not load")));
      script.src = place.dataset.src ?? "";
      document.head.append(script);
    });
  const loaded = /** @type {{Plotly?: Plotly}} */ (/** @type {unknown} */ (window)).Plotly;
  if (!loaded) throw new Error("plotly did not load");
  here = true;
  return loaded;
}
