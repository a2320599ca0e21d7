/** Which heads of the rail an edit is in force of; the rail draws itself anew whenever it likes. */

import { cutsOf, isSilenced } from "../../input/edits.js";
import { t } from "../../text/i18n.js";
import { byId } from "../../views/dom.js";

/** @typedef {import("../../types.js").Edit} Edit */

export class RailMarks {
  constructor() {
    /** @type {Edit[]} */
    this.edits = [];
    this.site = "";
    new MutationObserver(() => this.draw()).observe(byId("heads"), { childList: true });
  }

  /** @param {Edit[]} edits @param {string} site on show */
  use(edits, site) {
    this.edits = edits;
    this.site = site;
    this.draw();
  }

  draw() {
    for (const option of /** @type {HTMLElement[]} */ ([...byId("heads").children])) {
      const head = { layer: Number(option.dataset.layer), head: Number(option.dataset.head) };
      const silenced = isSilenced(this.edits, this.site, head);
      const cut = cutsOf(this.edits, this.site, head).length;
      option.classList.toggle("silenced", silenced);
      option.classList.toggle("cut", cut > 0 && !silenced);
      const base = (option.dataset.title ??= option.title);
      const name = silenced ? `${base} · ${t("editSilenced")}` : cut ? `${base} · ${t("editCuts", { n: cut })}` : base;
      option.title = name;
      option.setAttribute("aria-label", name);
    }
  }
}
