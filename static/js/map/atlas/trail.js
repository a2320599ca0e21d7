/** The views that a reader has been at, back and forward. No document here. */

/** @typedef {import("../geometry.js").View} View */

const LONGEST = 100; // views: nobody goes back further

const HAIR = 1e-6; // cells: nearer than this, two views are one

/** @param {View} a @param {View} b */
const same = (a, b) => [0, 1].every((end) => Math.abs(a.x[end] - b.x[end]) + Math.abs(a.y[end] - b.y[end]) < HAIR);

export class Trail {
  /** @param {View} view where it begins */
  constructor(view) {
    this.views = [view];
    this.at = 0;
  }

  /** Another view is on show; what lay ahead is given up. @param {View} view */
  push(view) {
    if (same(view, this.views[this.at])) return;
    this.views = [...this.views.slice(0, this.at + 1), view].slice(-LONGEST);
    this.at = this.views.length - 1;
  }

  /** @param {-1 | 1} by @returns {View | null} the view there; null at an end */
  go(by) {
    if (!this.can(by)) return null;
    this.at += by;
    return this.views[this.at];
  }

  /** @param {-1 | 1} by */
  can(by) {
    return this.at + by >= 0 && this.at + by < this.views.length;
  }
}
