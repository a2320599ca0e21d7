/** The axes of a heatmap, as Plotly has them described. */

import { cssColour } from "../../views/dom.js";
import { beyond, LABEL_EVERY, ticks } from "../geometry.js";
import { escaped, plotLabel } from "../../text/labels.js";
import { isolated } from "../../text/isolate.js";
import { fitting, wordLabels } from "../word-labels.js";
import { FONT } from "../plot.js";

/** @typedef {import("../geometry.js").Stretch} Stretch */
/** @typedef {import("../geometry.js").View} View */
/** @typedef {import("./heatmap.js").Frame} Frame */
/** @typedef {import("./heatmap.js").Shown} Shown */

const WORD = 15; // pixels that a word needs across its reading direction

/** How many times as far one stretch reaches. @param {Stretch} wide @param {Stretch} narrow */
const reach = (wide, narrow) => (wide[1] - wide[0]) / (narrow[1] - narrow[0]);

/**
 * The labels that have room: of every token, of words where tokens are letters, else of every n-th token.
 *
 * @param {import("../../types.js").Axis} axis
 * @param {Stretch} range
 * @param {number} count of the axis
 * @param {number} pixels that the range takes
 * @param {number} each pixels that a label needs
 * @returns {{tickvals: number[], ticktext: string[]}}
 */
function labelled(axis, range, count, pixels, each) {
  const list = ticks(range, count, pixels, each);
  const words = list[1] - list[0] > 1 ? wordLabels(axis) : null;
  if (!words) return { tickvals: list, ticktext: list.map((index) => plotLabel(axis, index)) };
  const fit = fitting(words, range, pixels, WORD);
  return { tickvals: fit.map(({ at }) => at), ticktext: fit.map(({ text }) => escaped(isolated(text))) };
}

/** Axes with the labels that have room. @param {Shown} shown @param {View} view @param {Frame} frame @returns {import("../axis-labels.js").Layout} */
export function layoutOf({ map, queries, keys }, view, { room, box, angle }) {
  const around = beyond(view);
  const font = { family: FONT, size: 12, color: cssColour("--text") };
  /** @param {[number, number]} range @param {ReturnType<typeof labelled>} labels */
  const axis = (range, labels) => ({
    range,
    tickmode: "array",
    ...labels,
    tickfont: font,
    showgrid: false,
    zeroline: false,
    ticks: "",
    showline: false,
    automargin: false,
    fixedrange: false,
  });
  const across = labelled(keys, around.x, map.cols, box.width * reach(around.x, view.x), angle ? 15 : 30);
  const down = labelled(queries, around.y, map.rows, box.height * reach(around.y, view.y), LABEL_EVERY);
  const right = room.width - box.left - box.width;
  return {
    width: room.width,
    height: room.height,
    margin: { l: box.left, t: box.top, r: right, b: room.height - box.top - box.height, pad: 4 },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)", // the canvas lies below
    hovermode: false,
    dragmode: "pan",
    showlegend: false,
    xaxis: { ...axis([...view.x], across), side: "top", tickangle: angle },
    yaxis: axis([view.y[1], view.y[0]], down),
  };
}
