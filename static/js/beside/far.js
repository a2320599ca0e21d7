/**
 * The picture or recording beside a far map, of which the page holds a row at a time: a row or column that is here lights
 * it at once, another is asked for when a pointer rests on its patch or frame; until it comes, the kept cell's row does.
 */

import { largest } from "../map/cells.js";

/** @typedef {import("../types.js").HeadMap} HeadMap */
/** @typedef {import("../types.js").Place} Place */
/** @typedef {import("../map/atlas/long.js").Cell} Cell */

/** Whether a cell is meant; else some queries, or some keys. @param {Place | null} place */
const ofCell = (place) => place === null || (place.rows !== undefined && place.cols !== undefined);

export class Beside {
  /** @param {import("../map/atlas/long.js").Long} long @param {import("./scene.js").Scene} scene */
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
    if (ofCell(place)) {
      long.point(place && { row: place.rows[0], col: place.cols[0] }, band);
      const row = place ? long.source.rowHere(long.atlas.shown, place.rows[0]) : undefined;
      return row ? this.scene.show(place, { side: "keys", light: row }) : this.keep(band);
    }
    const line = this.lineHere(place);
    if (line) {
      long.resting.stop();
      return this.light(place, line);
    }
    long.point(null, band);
    long.atlas.point(cross(place));
    const alone = (place.rows ?? place.cols).length === 1;
    this.keep(band, place, alone);
    if (alone) long.resting.ask((signal) => this.line(place, signal), (found) => this.light(place, found));
  }

  /** What the kept cell's row lights. @param {HeadMap} band @param {Place} [marked] @param {boolean} [waiting] */
  keep(band, marked, waiting = false) {
    const { row, col } = this.long.on.kept();
    const late = row !== band.from; // a newly chosen cell's row is still on the way
    this.scene.show(marked ?? { rows: [row], cols: [col] }, { side: "keys", light: band.weights }, waiting || late);
  }

  /** The row or column that a patch or frame means, where it is here. @param {Place} place */
  lineHere({ rows, cols }) {
    const { source, atlas } = this.long;
    const list = rows ?? cols;
    // Of several only the first would come: that is not what they do together.
    if (list.length > 1) return undefined;
    return rows ? source.rowHere(atlas.shown, list[0]) : source.columnHere(atlas.shown, list[0]);
  }

  /** @param {Place} place @param {AbortSignal} signal @returns {Promise<Float32Array>} */
  line({ rows, cols }, signal) {
    const { source, atlas } = this.long;
    return rows ? source.row(atlas.shown, rows[0], signal) : source.column(atlas.shown, cols[0], signal);
  }

  /** @param {Place} place @param {Float32Array} line its row or column */
  light(place, line) {
    this.long.atlas.point(cross(place));
    this.scene.show(place, { side: place.rows ? "keys" : "queries", light: line });
    this.long.tellLine(place, line, this.cellOf(place, line));
  }

  /** The strongest cell of a row or column. @param {Place} place @param {Float32Array} line @returns {Cell} */
  cellOf({ rows, cols }, line) {
    const best = largest(line);
    return rows ? { row: rows[0], col: best } : { row: best, col: cols[0] };
  }

  /** A click means the strongest cell, whenever that is known. @param {Place} place */
  choose(place) {
    const { long } = this;
    const chosen = (line) => long.on.choose(this.cellOf(place, line));
    const line = this.lineHere(place);
    long.clicking.stop();
    if (line) return chosen(line);
    long.resting.stop(); // the same row need not come twice
    long.clicking.ask((signal) => this.line(place, signal), chosen, 0);
  }
}

/** The lines of the crosshair. @param {Place} place @returns {{row?: number, col?: number}} */
function cross({ rows, cols }) {
  return { row: rows?.[0], col: cols?.[0] };
}
