/**
 * The picture or recording beside a far map, of which the page holds a row at a time: a row or column that is here lights
 * it at once, another is asked for when a pointer rests on its patch or frame; until it comes, the kept cell's row does.
 */

import { largest } from "../map/cells.js";

/** @typedef {import("../types.js").Cell} Cell */
/** @typedef {import("../types.js").HeadMap} HeadMap */
/** @typedef {import("../types.js").Place} Place */
/** @typedef {{side: "row" | "column", index: number, place: Place}} Line the row of a query, or the column of a key */

/** The cell that a place is, where it is one. @param {Place} place @returns {Cell | null} */
const cellAt = ({ rows, cols }) => (rows && cols ? { row: rows[0], col: cols[0] } : null);

/** The first row or column that a place means. @param {Place} place @returns {Line} */
const lineOf = (place) =>
  place.rows
    ? { side: "row", index: place.rows[0], place }
    : { side: "column", index: /** @type {number[]} */ (place.cols)[0], place };

export class FarScene {
  /** @param {import("../map/atlas/long.js").LongMap} long @param {import("./scene.js").Scene} scene */
  constructor(long, scene) {
    this.long = long;
    this.scene = scene;
  }

  /**
   * Shows what is pointed at, here or in the map.
   *
   * @param {Place | null} place null: the kept cell
   * @param {HeadMap} band of the kept cell
   */
  point(place, band) {
    const { long } = this;
    const cell = place && cellAt(place);
    if (!place || cell) {
      long.point(cell, band);
      const row = cell ? long.source.rowHere(long.shown, cell.row) : undefined;
      return row && place ? this.scene.show(place, { side: "keys", light: row }) : this.keep(band);
    }
    const line = lineOf(place);
    const weights = this.lineHere(line);
    if (weights) {
      long.resting.stop();
      return this.light(line, weights);
    }
    long.point(null, band);
    long.atlas.point(cross(place));
    const alone = (place.rows ?? place.cols ?? []).length === 1;
    this.keep(band, place, alone);
    if (alone)
      long.resting.ask(
        (signal) => this.fetch(line, signal),
        (fetched) => this.light(line, fetched),
      );
  }

  /** What the kept cell's row lights. @param {HeadMap} band @param {Place} [marked] @param {boolean} [waiting] */
  keep(band, marked, waiting = false) {
    const { row, col } = this.long.on.kept();
    const late = row !== band.from; // a newly chosen cell's row is still on the way
    this.scene.show(marked ?? { rows: [row], cols: [col] }, { side: "keys", light: band.weights }, waiting || late);
  }

  /** The weights of a row or column, where they are here. @param {Line} line */
  lineHere({ side, index, place }) {
    const { source, shown } = this.long;
    // Of several only the first would come: that is not what they do together.
    if ((place.rows ?? place.cols ?? []).length > 1) return undefined;
    return side === "row" ? source.rowHere(shown, index) : source.columnHere(shown, index);
  }

  /** @param {Line} line @param {AbortSignal} signal @returns {Promise<Float32Array>} */
  fetch({ side, index }, signal) {
    const { source, shown } = this.long;
    return side === "row" ? source.row(shown, index, signal) : source.column(shown, index, signal);
  }

  /** @param {Line} line @param {Float32Array} weights */
  light(line, weights) {
    this.long.atlas.point(cross(line.place));
    this.scene.show(line.place, { side: line.side === "row" ? "keys" : "queries", light: weights });
    this.long.showLine(line.place, weights, strongestOf(line, weights));
  }

  /** A click means the strongest cell, whenever that is known. @param {Place} place */
  choose(place) {
    const { long } = this;
    const line = lineOf(place);
    /** @param {Float32Array} weights */
    const chosen = (weights) => long.on.choose(strongestOf(line, weights));
    const weights = this.lineHere(line);
    long.clicking.stop();
    if (weights) return chosen(weights);
    long.resting.stop(); // the same row need not come twice
    long.clicking.ask((signal) => this.fetch(line, signal), chosen, 0);
  }
}

/** The strongest cell of a row or column. @param {Line} line @param {Float32Array} weights @returns {Cell} */
function strongestOf({ side, index }, weights) {
  const best = largest(weights);
  return side === "row" ? { row: index, col: best } : { row: best, col: index };
}

/** The lines of the crosshair. @param {Place} place @returns {{row?: number, col?: number}} */
function cross({ rows, cols }) {
  return { row: rows?.[0], col: cols?.[0] };
}
