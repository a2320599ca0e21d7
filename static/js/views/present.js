/** For a room: large type, the sentence and the map alone. */

import { t } from "../text/i18n.js";
import { byId, element } from "./dom.js";

/** @implements {Pick<import("../features.js").Feature, "translate" | "keys">} */
export class Present {
  /** @param {import("../features.js").Page} page */
  constructor({ explorer }) {
    this.explorer = explorer;
    this.button = element("button", {
      type: "button",
      class: "plain",
      id: "present",
      "aria-pressed": "false",
      on: { click: () => this.toggle() },
    });
    byId("docs").before(this.button);
    this.keys = { keyPresent: () => this.toggle() };
  }

  /** Large type and no side columns, or the whole page again. */
  toggle() {
    const { dataset } = document.documentElement;
    const on = dataset.present === undefined;
    if (on) dataset.present = "";
    else delete dataset.present;
    this.button.setAttribute("aria-pressed", String(on));
    this.translate();
    this.explorer.draw();
  }

  /** In the page's language. */
  translate() {
    this.button.textContent = t(document.documentElement.dataset.present === undefined ? "present" : "presentEnd");
    this.button.title = t("keyPresent");
  }
}
