/** The axes of a heatmap, as Plotly has them described. */

import { cssColour } from "../../views/dom.js";
import { beyond, ticks } from "../geometry.js";
import { plotLabel } from "../../text/labels.js";
import { FONT } from "../plot.js";

/** @typedef {import("../geometry.js").Stretch} Stretch */
/** @typedef {import("../geometry.js").View} View */
/** @typedef {import("./heatmap.js").Frame} Frame */
/** @typedef {import("./heatmap.js").Shown} Shown */

/** How many times as far one stretch reaches. @param {Stretch} wide @param {Stretch} narrow */
const reach = (wide, narrow) => (wide[1] - wide[0]) / (narrow[1] - narrow[0]);

/** Axes with the labels that have room. @param {Shown} shown @param {View} view @param {Frame} frame @returns {import("../axis-labels.js").Layout} */
export function layoutOf({ map, queries, keys }, view, { room, box, angle }) {
  const around = beyond(view);
  const font = { family: FONT, size: 12, color: cssColour("--text") };
  /** @param {[number, number]} range @param {number[]} values @param {import("../../types.js").Axis} labelled */
  const axis = (range, values, labelled) => ({
    range,
    tickmode: "array",
    tickvals: values,
    ticktext: values.map((index) => plotLabel(labelled, index)),
    tickfont: font,
    showgrid: false,
    zeroline: false,
    ticks: "",
    showline: false,
    automargin: false,
    fixedrange: false,
  });
  const across = ticks(around.x, map.cols, box.width * reach(around.x, view.x), angle ? 15 : 30);
  const down = ticks(around.y, map.rows, box.height * reach(around.y, view.y));
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
    xaxis: { ...axis([...view.x], across, keys), side: "top", tickangle: angle },
    yaxis: axis([view.y[1], view.y[0]], down, queries),
  };
}
