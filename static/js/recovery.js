/** What the last map that came was of: where another fails to come, tabs, address and map say that again. */

import { clearProblem } from "./views/notices.js";

/** @typedef {import("./source/session.js").Session} Session */
/** @typedef {import("./types.js").State} State */

export class Recovery {
  constructor() {
    /** @type {Session | null} whose map came */
    this.session = null;
    /** @type {Partial<State>} */
    this.place = {};
    this.troubled = false; // the problem on show is a map's
    this.returning = false;
  }

  /** A map is on show: what was said of one that did not come is over. @param {Session} session @param {State} state */
  arrived(session, { site, layer, head, over, row, col, rows, cols }) {
    this.session = session;
    this.place = { site, layer, head, over, row, col, rows, cols };
    if (this.troubled) clearProblem();
    this.troubled = false;
  }

  /**
   * A map did not come.
   *
   * @param {Session} session
   * @param {(place: Partial<State>) => unknown} back shows the place before
   */
  async failed(session, back) {
    this.troubled = false;
    if (this.session === session && !this.returning) {
      this.returning = true; // and not once more, if that fails too
      await back(this.place);
      this.returning = false;
    }
    this.troubled = true;
  }
}
