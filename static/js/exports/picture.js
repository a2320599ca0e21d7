/** What is on screen of a map, as data: the cells in view, how they are coloured, and the words that belong to them. */

import { blocks } from "../map/atlas/codes.js";
import { colourAt, floorOf, rampOf, tone } from "../map/colour.js";
import { cellsIn } from "../map/geometry.js";
import { blockSize, pooled } from "../map/heatmap/pool.js";
import { shownPins } from "../map/pins.js";
import { axisName, siteName, t } from "../text/i18n.js";
import { isolated } from "../text/isolate.js";
import { measureName } from "../text/measures.js";
import { byId } from "../views/dom.js";

/** @typedef {import("../explorer.js").Explorer} Explorer */
/** @typedef {import("../source/session.js").Session} Session */
/** @typedef {import("../types.js").Axis} Axis */
/** @typedef {import("../types.js").Range} Range */
/** @typedef {import("../types.js").Theme} Theme */
/** @typedef {import("../types.js").Unit} Unit */
/**
 * @typedef {object} Part the cells in view, each drawn block by one value
 * @property {Range} rows of the map, half open
 * @property {Range} cols
 * @property {number} n cells a side of a block
 * @property {number} row the first block's, in cells
 * @property {number} col
 * @property {number} height in blocks
 * @property {number} width
 * @property {Float32Array} values row-major; NaN where masked
 * @property {boolean} coded they are those of tiles' codes, not exact
 *
 * @typedef {object} Words
 * @property {string} title model, site and head
 * @property {string[]} facts under the picture
 * @property {string} queries
 * @property {string} keys
 * @property {string} low what the least colour is called
 * @property {string} high
 * @property {string} masked
 *
 * @typedef {Part & {
 *   unit: Unit | undefined, place: (value: number) => number, colour: (at: number) => number[], stops: number[][], theme: Theme, long: boolean, queries: Axis, keys: Axis,
 *   size: {width: number, height: number}, words: Words, name: string, pins: import("../map/pins.js").Mark[],
 * }} Picture `place` on the colours' scale, 0 to 1; `colour` of such a place, and `stops` of all, evenly spaced; `size` on screen, in CSS pixels
 */

/** @param {number} index @param {Range} range */
const inside = (index, [start, stop]) => index >= start && index < stop;

const STOPS = 25; // of the colours' scale: as many as the finest palette is made of, and that in the middle

/**
 * Whose map is on show: of another measure than the weights, a session of its own.
 *
 * @param {Explorer} explorer
 * @returns {Session | null}
 */
export const sessionOf = (explorer) => explorer.measured ?? explorer.session;

/** What the values on show are, where they are no weights. @param {Explorer} explorer @returns {Unit | undefined} */
const unitOf = ({ long, map }) => (long.active ? long.shown.source.unitOf(long.shown) : map?.unit);

/** @param {Explorer} explorer @returns {boolean} whether a map is on show */
export const hasPicture = ({ session, map, long, heatmap }) =>
  session !== null && (long.active ? long.atlas.box !== null : map !== null && heatmap.frame !== null);

/** The part of a map that is in view. @param {Explorer} explorer @returns {Part | null} null while it is still coming */
export function partOf(explorer) {
  const { long, heatmap, map } = explorer;
  if (long.active) {
    const { atlas } = long;
    const { view, shape } = atlas.drawn;
    const [rows, cols] = [cellsIn(view.y, shape[0]), cellsIn(view.x, shape[1])];
    const part = blocks(rows, cols, atlas.level, shape, (spot) => atlas.find(spot), long.shown.source.session.codes);
    if (!part) return null;
    const n = 2 ** atlas.level;
    const { rows: height, cols: width, weights: values } = part;
    return { rows, cols, n, row: part.row * n, col: part.col * n, height, width, values, coded: true };
  }
  if (!map) return null;
  const { view } = heatmap;
  const [rows, cols] = [cellsIn(view.y, map.rows), cellsIn(view.x, map.cols)];
  const { z, n, row, col } = pooled(map, rows, cols, blockSize(rows, cols));
  const width = z[0].length;
  const values = new Float32Array(z.length * width);
  z.forEach((line, i) => line.forEach((value, j) => (values[i * width + j] = value ?? NaN)));
  return { rows, cols, n, row, col, height: z.length, width, values, coded: false };
}

/** How a block stands for its cells. @param {Explorer} explorer @param {Part} part @returns {string} empty: one by one */
function reduction({ session, long }, { n, coded }) {
  const { how } = long.active ? long.shown : { how: "max" };
  const reduced = n === 1 ? "" : t(`reduced_${how}`, { n });
  if (!coded) return reduced;
  const error = (100 * (session?.summary.encodings?.u8log?.relative_error ?? 0)).toFixed(1);
  return reduced ? t("exportCodes", { reduced, error }) : t("exportWithin", { error });
}

/** The words that belong to a part. @param {Explorer} explorer @param {Part} part @returns {Words} */
function wordsOf(explorer, part) {
  const { state } = explorer;
  const session = sessionOf(explorer);
  if (!session) throw new Error("no map is on show");
  const { site } = state;
  const { model, task, certificate } = session.summary;
  const { queries, keys, shape } = session.site(site);
  const what = reduction(explorer, part) || t("exportExact");
  const whole = part.rows[1] - part.rows[0] === shape[0] && part.cols[1] - part.cols[0] === shape[1];
  const cells = whole ? t("exportWhole", { rows: shape[0], cols: shape[1] }) : t("exportCells", { rows: part.rows.join(":"), cols: part.cols.join(":") });
  const proof = [byId("certificate").textContent ?? "", certificate.kernel, certificate.dtype].filter(Boolean).join(", ");
  return {
    title: `${isolated(model)} · ${siteName(site)} · ${byId("now").textContent ?? ""}`,
    facts: [
      t("exportFacts", { measure: measureName(unitOf(explorer)?.name ?? ""), scale: t(explorer.scale()), cells, what }),
      t("exportProof", { proof, id: session.summary.id || "—" }),
      ...(certificate.warning ? [`${t("warning")} ${certificate.warning}`] : []),
    ],
    queries: t("queries", { name: axisName(queries, task) }),
    keys: t("keys", { name: axisName(keys, task) }),
    low: byId("legend-low").textContent ?? "0",
    high: byId("legend-high").textContent ?? "1",
    masked: t("maskedKey"),
  };
}

/** A file's name without its ending. @param {Explorer} explorer @param {Part} part */
export function nameOf(explorer, part) {
  const { state, session, long } = explorer;
  const [rows, cols] = session?.site(state.site).shape ?? [0, 0];
  const { layer, head } = explorer.head;
  const whole = part.rows[1] - part.rows[0] === rows && part.cols[1] - part.cols[0] === cols;
  const place = whole && !long.active ? "" : `-rows${part.rows.join("-")}-cols${part.cols.join("-")}`;
  const unit = unitOf(explorer);
  return `${state.site}-${layer}-${explorer.over || head}${unit ? `-${unit.name}` : ""}${place}`;
}

/**
 * The map on show as it is on show, in one theme's colours.
 *
 * @param {Explorer} explorer
 * @param {Theme} theme
 * @returns {Picture | null} null while some of it is still coming
 */
export function pictureOf(explorer, theme) {
  const { session, state, long, heatmap } = explorer;
  const part = partOf(explorer);
  if (!part || !session) return null;
  const { palette, scale } = explorer.styled();
  const unit = unitOf(explorer);
  const floor = long.active && !unit ? floorOf(long.atlas.shape[1]) : undefined;
  const ramp = rampOf(palette, unit);
  const box = long.active ? long.atlas.drawn.box : heatmap.frame?.box;
  if (!box) return null;
  const reduced = part.n > 1 ? `-${long.active ? long.shown.how : "max"}${part.n}x${part.n}` : "";
  return {
    ...part,
    unit,
    place: (value) => tone(value, scale, unit, floor),
    colour: (at) => colourAt(ramp, theme, at),
    stops: Array.from({ length: STOPS }, (_, at) => colourAt(ramp, theme, at / (STOPS - 1))),
    theme,
    long: long.active,
    queries: session.queries(state.site),
    keys: session.keys(state.site),
    size: { width: box.width, height: box.height },
    words: wordsOf(explorer, part),
    pins: shownPins().filter(({ row, col }) => inside(row, part.rows) && inside(col, part.cols)),
    name: nameOf(explorer, part) + reduced,
  };
}
