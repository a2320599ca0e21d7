/** What the last map that came was of: where another fails to come, tabs, address and map say that again. */

import { NoMap } from "./text/problems.js";
import { clearProblem, showProblem } from "./views/notices.js";

/** @typedef {import("./explorer.js").Explorer} Explorer */
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
   * A map did not come: the place before is shown again, and what is wrong is told once that is there.
   *
   * @param {Session} session
   * @param {Error} error
   * @param {Explorer} explorer
   */
  async failed(session, error, explorer) {
    const { site, layer, head, over, row, col, rows, cols, view } = explorer.state;
    const { turn } = explorer;
    this.troubled = false;
    const back = this.session === session && !this.returning;
    if (back) {
      this.returning = true; // and not once more, if that fails too
      await explorer.back(this.place);
      this.returning = false;
      if (explorer.turn > turn + 1) return; // the reader has gone on meanwhile
    }
    this.troubled = true;
    const wanted = { site, layer, head, over, row, col, rows, cols, view };
    showProblem(new NoMap(error), () => explorer.go(wanted, back ? "push" : "none"));
  }
}
