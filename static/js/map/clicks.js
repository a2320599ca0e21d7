/** Clicks on a map: one chooses a cell or asks by a label, two on the same place show the whole map again. */

/** @typedef {import("../types.js").Place} Place */

const DOUBLE_CLICK = 350; // milliseconds
const STILL = 4; // pixels: a press and release, or two clicks, nearer than this are one place

/**
 * @param {object} map
 * @param {HTMLElement} map.root
 * @param {() => boolean} map.ready whether a map is on show
 * @param {(event: MouseEvent) => boolean} [map.covered] whether something lies over the map there
 * @param {(event: MouseEvent) => Place | null} map.under
 * @param {{ask: (place: Place) => void, choose: (cell: import("../types.js").Cell) => void}} map.on
 * @param {() => void} map.reset
 */
export function listenToClicks({ root, ready, covered, under, on, reset }) {
  /** @type {[number, number] | null} where the pointer went down */
  let down = null;
  let clicked = -Infinity;
  let there = [0, 0];
  /** @param {MouseEvent} event @param {number[]} place */
  const near = ({ clientX, clientY }, [x, y]) => Math.hypot(clientX - x, clientY - y) <= STILL;
  root.addEventListener(
    "pointerdown",
    (event) => (down = covered?.(event) ? null : [event.clientX, event.clientY]),
    true,
  );
  window.addEventListener(
    "pointerup",
    (event) => {
      const from = down;
      down = null;
      if (!from || !ready() || !near(event, from)) return;
      const place = under(event);
      if (!place) return;
      const { rows, cols } = place;
      if (!rows || !cols) return on.ask(place);
      const twice = near(event, there) && event.timeStamp - clicked < DOUBLE_CLICK; // else two cells in haste
      there = [event.clientX, event.clientY];
      clicked = twice ? -Infinity : event.timeStamp;
      if (twice) reset();
      else on.choose({ row: rows[0], col: cols[0] });
    },
    true,
  );
}
