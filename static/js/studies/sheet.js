/** A view that takes the stage instead of the map: a section of its own, about the answer on show. */

import { t } from "../text/i18n.js";
import { byId, element } from "../views/dom.js";
import { offer } from "../views/offered.js";

/** @typedef {import("../source/session.js").Session} Session */
/** @typedef {import("../types.js").State} State */

/** @implements {Pick<import("../features.js").Feature, "view" | "open" | "use" | "answered" | "translate">} */
export class Sheet {
  /** @param {State["view"]} view @param {import("../explorer.js").Explorer} explorer */
  constructor(view, explorer) {
    this.view = view;
    this.explorer = explorer;
    this.active = false;
    /** @type {Session | null} */
    this.session = null;
    this.why = element("p", { class: "quiet", role: "note", hidden: true });
    this.body = element("div", { class: "sheet-body" });
    this.root = element("section", { class: "sheet overlay", id: view, hidden: true, tabIndex: 0 }, this.why, this.body);
    byId("stage").append(this.root);
  }

  /** Why there is nothing to see of a session, by the name of its text; empty where there is. @param {Session} session @returns {string} */
  lack(session) {
    return session.source.path(session.summary.sites[0]?.name ?? "", { layer: 0, head: 0 }, "") === null ? "sheetUnserved" : "";
  }

  /** Another session. @param {Session | null} session */
  taken(session) {
    this.session = session;
  }

  /** It can be seen, as it is now. */
  opened() {}

  /** @param {Session | null} session */
  answered(session) {
    if (session !== this.session) this.taken(session);
    this.reason();
    if (this.active) this.opened();
  }

  /** Another map is on show, perhaps the first of another answer. @param {import("../features.js").Shown} shown */
  use(shown) {
    const session = this.explorer.session ?? shown.session;
    if (session !== this.session) this.answered(session);
  }

  /** @param {boolean} active */
  open(active) {
    if (active === this.active) return;
    this.active = active;
    this.root.hidden = !active;
    this.reason();
    if (active) this.opened();
  }

  /** Says why there is nothing to see, and offers the view where there is. */
  reason() {
    const lack = this.session ? this.lack(this.session) : "sheetEmpty";
    offer(this.view, lack === "");
    if (lack) this.why.textContent = t(lack);
    this.why.hidden = !lack;
    this.body.hidden = lack !== "";
    return lack === "";
  }

  translate() {
    this.root.setAttribute("aria-label", t(`view_${this.view}`));
    this.reason();
  }
}

/** The view of a name, or the map again. @param {import("../explorer.js").Explorer} explorer @param {import("../types.js").State["view"]} view */
export function turnTo(explorer, view) {
  const next = explorer.state.view === view ? "" : view;
  explorer.record({ view: next }, "push");
  explorer.beside.see(next);
}
