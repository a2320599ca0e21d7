/** A page in a frame of a notebook: it says that it began, and takes the notebook's theme. */

import { isFramed } from "../link.js";
import { byId } from "./dom.js";

/** @implements {Pick<import("../features.js").Feature, "answered">} */
export class Framed {
  /** @param {import("../features.js").Page} page */
  constructor({ explorer }) {
    this.explorer = explorer;
    if (!isFramed()) return;
    window.addEventListener("message", (event) => event.source === window.parent && this.hear(event.data));
    // "#map" would lead to the notebook's own address: a text in a frame has none.
    document.addEventListener("click", (event) => {
      const link = event.target instanceof Element ? event.target.closest('a[href^="#"]') : null;
      if (!link || event.defaultPrevented) return;
      event.preventDefault();
      document.getElementById(link.getAttribute("href")?.slice(1) ?? "")?.focus();
    });
    byId("share").hidden = true;
  }

  /** Opened, or not, which the page says itself: whoever frames it may know that it runs. */
  answered() {
    if (isFramed()) window.parent.postMessage({ heedmap: "started" }, "*");
  }

  /** @param {{heedmap?: unknown, theme?: unknown} | null} message */
  hear(message) {
    const { heedmap: kind, theme } = message ?? {};
    if (kind !== "theme" || (theme !== "light" && theme !== "dark")) return;
    document.documentElement.dataset.theme = theme;
    this.explorer.changed(this.explorer.state);
    if (this.explorer.session) this.explorer.showMap();
  }
}
