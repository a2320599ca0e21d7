/** Where things stand on the heatmap: the plot's box, the cell under the pointer, labels with room. No document here. */

/** @typedef {{left: number, top: number, width: number, height: number}} Box in CSS pixels */
/** @typedef {[number, number]} Stretch of an axis, in cells */
/** @typedef {{x: Stretch, y: Stretch}} View in cells; a cell's centre is its index */

const BIGGEST_CELL = 96; // beyond this a short sentence's map is no clearer, only emptier
const WIDEST = 1.8; // cells may be this much wider than high, for their numbers and labels
const TALLEST = 1.15;
const READABLE = [40, 20]; // pixels: a long, narrow map gives up its cells' shape before its cells get thinner than this
const THINNEST = 12; // pixels of a row or column whose label is taken for its own
export const LABEL_EVERY = 14; // pixels a label needs across its reading direction

/** @param {number} rows @param {number} cols @returns {View} the whole map */
export function wholeView(rows, cols) {
  return { x: [-0.5, cols - 0.5], y: [-0.5, rows - 0.5] };
}

/** @param {[number, number]} rows half open @param {[number, number]} cols @returns {View} */
export function viewOf(rows, cols) {
  return { x: [cols[0] - 0.5, cols[1] - 0.5], y: [rows[0] - 0.5, rows[1] - 0.5] };
}

/**
 * The cells that a stretch of an axis touches.
 *
 * @param {Stretch} stretch
 * @param {number} count of the axis
 * @returns {[number, number]} half open
 */
export function cellsIn([low, high], count) {
  const start = Math.max(0, Math.floor(low + 0.5 + 1e-6));
  return [Math.min(start, count - 1), Math.max(start + 1, Math.min(count, Math.ceil(high + 0.5 - 1e-6)))];
}

/** A view with half of itself on each side; it may reach over the map's edge. @param {View} view @returns {View} */
export function beyond({ x, y }) {
  /** @param {Stretch} stretch @returns {Stretch} */
  const wider = ([low, high]) => [low - (high - low) / 2, high + (high - low) / 2];
  return { x: wider(x), y: wider(y) };
}

/** A view moved and shrunk to lie inside the map. @param {View} view @param {number} rows @param {number} cols @returns {View} */
export function insideMap(view, rows, cols) {
  /** @param {Stretch} stretch @param {number} count @returns {Stretch} */
  const clip = ([low, high], count) => {
    const length = Math.min(high - low, count);
    const start = Math.min(Math.max(low, -0.5), count - 0.5 - length);
    return [start, start + length];
  };
  return { x: clip(view.x, cols), y: clip(view.y, rows) };
}

/**
 * A view zoomed about a point of the map. At least two cells stay in view.
 *
 * @param {View} view
 * @param {number} factor under 1 shows less
 * @param {[number, number]} point column and row
 * @param {number} rows of the map
 * @param {number} cols
 * @returns {View}
 */
export function zoomed(view, factor, [x, y], rows, cols) {
  /** @param {Stretch} stretch @param {number} at @param {number} count @returns {Stretch} */
  const scale = ([low, high], at, count) => {
    const length = Math.min(Math.max((high - low) * factor, Math.min(2, count)), count);
    const start = at - ((at - low) / (high - low)) * length;
    return [start, start + length];
  };
  return insideMap({ x: scale(view.x, x, cols), y: scale(view.y, y, rows) }, rows, cols);
}

/** Whether the middle of a cell is in view. @param {View} view @param {{row: number, col: number}} cell */
export function seen({ x, y }, { row, col }) {
  return row > y[0] && row < y[1] && col > x[0] && col < x[1];
}

/**
 * What a zoom leaves in place: the chosen cell where it is in view, else the middle.
 *
 * @param {View} view
 * @param {{row: number, col: number} | null} chosen
 * @returns {[number, number]} column and row
 */
export function anchor(view, chosen) {
  if (chosen && seen(view, chosen)) return [chosen.col, chosen.row];
  return [(view.x[0] + view.x[1]) / 2, (view.y[0] + view.y[1]) / 2];
}

/**
 * The plot's box inside its room: as large as fits, cells near square, in the middle, labels left and above.
 *
 * @param {{width: number, height: number}} room
 * @param {{left: number, top: number, right: number, bottom: number}} margin
 * @param {number} rows of the map
 * @param {number} cols
 * @returns {Box}
 */
export function plotBox(room, margin, rows, cols) {
  let wide = Math.min((room.width - margin.left - margin.right) / cols, BIGGEST_CELL * 1.4);
  let high = Math.min((room.height - margin.top - margin.bottom) / rows, BIGGEST_CELL);
  wide = Math.min(wide, Math.max(high * WIDEST, READABLE[0]));
  // A square map stays square unless its labels need the height, and have it.
  const least = rows !== cols ? READABLE[1] : high >= LABEL_EVERY ? LABEL_EVERY : 0;
  high = Math.min(high, Math.max(wide * TALLEST, least));
  const width = Math.max(48, Math.round(wide * cols));
  const height = Math.max(48, Math.round(high * rows));
  const spare = Math.max(0, room.width - margin.left - margin.right - width);
  return { left: Math.round(margin.left + spare / 2), top: margin.top, width, height };
}

/**
 * The cell under a point; null outside the map.
 *
 * @param {Box} box
 * @param {View} view
 * @param {number} x in CSS pixels
 * @param {number} y
 * @param {number} rows of the map
 * @param {number} cols
 * @returns {{row: number, col: number} | null}
 */
export function cellAt(box, view, x, y, rows, cols) {
  if (x < box.left || y < box.top || x >= box.left + box.width || y >= box.top + box.height) return null;
  const col = Math.round(view.x[0] + ((x - box.left) / box.width) * (view.x[1] - view.x[0]));
  const row = Math.round(view.y[0] + ((y - box.top) / box.height) * (view.y[1] - view.y[0]));
  return row >= 0 && col >= 0 && row < rows && col < cols ? { row, col } : null;
}

/**
 * The row or column whose label is under a point; null where there is none, or cells are too thin for labels of their own.
 *
 * @param {{box: Box, labelWidth: number, labelHeight: number, angle: number}} frame
 * @param {View} view
 * @param {number} x in CSS pixels
 * @param {number} y
 * @param {number} rows of the map
 * @param {number} cols
 * @returns {{rows: number[]} | {cols: number[]} | null}
 */
export function labelAt({ box, labelWidth, labelHeight, angle }, view, x, y, rows, cols) {
  if (x < box.left && x >= box.left - labelWidth) {
    const cell = cellAt(box, view, box.left, y, rows, cols);
    return cell && box.height / (view.y[1] - view.y[0]) >= THINNEST ? { rows: [cell.row] } : null;
  }
  const above = box.top - y;
  if (above <= 0 || above > labelHeight) return null;
  const foot = angle === -45 ? x - above : x; // a slanted label leans to the right
  const cell = cellAt(box, view, foot, box.top, rows, cols);
  return cell && box.width / (view.x[1] - view.x[0]) >= THINNEST ? { cols: [cell.col] } : null;
}

/**
 * Where a cell is drawn, cut to the plot's box; of no size where it is out of view.
 *
 * @param {Box} box
 * @param {View} view
 * @param {number} row
 * @param {number} col
 * @returns {Box}
 */
export function cellBox(box, view, row, col) {
  /** @param {number} index @param {Stretch} stretch @param {number} start @param {number} length */
  const along = (index, [low, high], start, length) => {
    /** @param {number} at */
    const place = (at) => start + ((at - low) / (high - low)) * length;
    const from = Math.min(Math.max(place(index - 0.5), start), start + length);
    const to = Math.min(Math.max(place(index + 0.5), start), start + length);
    return [from, to - from];
  };
  const [left, width] = along(col, view.x, box.left, box.width);
  const [top, height] = along(row, view.y, box.top, box.height);
  return { left, top, width, height };
}

/**
 * The indices to label: all in view where there is room, else every n-th, n a round number.
 *
 * @param {[number, number]} range in view
 * @param {number} count of the axis
 * @param {number} pixels that the stretch takes
 * @param {number} [each] pixels a label needs
 */
export function ticks(range, count, pixels, each = LABEL_EVERY) {
  const [start, stop] = cellsIn(range, count);
  const least = (each * (range[1] - range[0])) / pixels;
  const step = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000].find((size) => size >= least) ?? 2000;
  const list = [];
  for (let index = Math.ceil(start / step) * step; index < stop; index += step) list.push(index);
  return list;
}
