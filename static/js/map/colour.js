/** Weights to colours. The domain is locked to 0..1, so that two heads can be compared by eye. */

/** Weights under this share one colour on the logarithmic scale. */
export const LOG_FLOOR = 1e-4;
const LEAST_FLOOR = 1e-7; // near the least weight that a tile's code tells from zero

/**
 * The logarithmic scale's lower end for so many keys: an even share of the attention lies well above it.
 *
 * @param {number} keys
 */
export function floorOf(keys) {
  return Math.max(LEAST_FLOOR, Math.min(LOG_FLOOR, 10 ** -(Math.ceil(Math.log10(Math.max(keys, 1))) + 1)));
}

/** @type {Palette[]} */
export const PALETTES = ["cividis", "viridis", "grey"];

/** @typedef {import("../types.js").Palette} Palette */
/** @typedef {import("../types.js").Scale} Scale */
/** @typedef {import("../types.js").Theme} Theme */

// Evenly spaced stops; between them colours are interpolated.
// Cividis: Nuñez et al. 2018; viridis: Smith and van der Walt 2015.
/** @type {Partial<Record<Palette, string>>} */
const STOPS = {
  cividis:
    "00204c 002a66 00346e 273f6c 3c4a6b 4c556b 5b5f6d 686a70 757575 838178 928c78 a19876 b0a572 c0b16d d1bf66 e1cc5c f3db4f ffe945",
  viridis: "440154 482878 3e4989 31688e 26828e 1f9e89 35b779 6ece58 b5de2b fde725",
};
const GREY = { light: "f1f1ef 101010", dark: "1f2023 f6f6f4" }; // zero is near the page, one is near the ink

/**
 * @param {Palette} palette
 * @param {Theme} theme only grey depends on it
 * @returns {number[][]} evenly spaced [r, g, b]
 */
function stopsOf(palette, theme) {
  const list = (STOPS[palette] ?? GREY[theme]).split(" ");
  return list.map((hex) => [0, 2, 4].map((at) => parseInt(hex.slice(at, at + 2), 16)));
}

/**
 * @param {Palette} palette
 * @param {Theme} theme
 * @param {number} t 0..1
 * @returns {number[]} [r, g, b]
 */
export function colourAt(palette, theme, t) {
  const stops = stopsOf(palette, theme);
  const place = Math.min(Math.max(t, 0), 1) * (stops.length - 1);
  const low = Math.min(Math.floor(place), stops.length - 2);
  return stops[low].map((value, channel) => Math.round(value + (stops[low + 1][channel] - value) * (place - low)));
}

/** Plotly's colour scale: [[0, "rgb(...)"], ..., [1, "rgb(...)"]]. @param {Palette} palette @param {Theme} theme */
export function plotlyScale(palette, theme) {
  const stops = stopsOf(palette, theme);
  return stops.map((rgb, index) => [index / (stops.length - 1), `rgb(${rgb.join(",")})`]);
}

/**
 * Where a weight stands on the colour scale.
 *
 * @param {number} weight 0..1
 * @param {Scale} scale
 * @param {number} [floor] of the logarithmic scale
 * @returns {number} 0..1
 */
export function position(weight, scale, floor = LOG_FLOOR) {
  if (scale === "linear") return Math.min(weight, 1);
  return weight <= floor ? 0 : Math.min(1 - Math.log(weight) / Math.log(floor), 1);
}

/**
 * Colours of the 256 u8log codes.
 *
 * @param {ArrayLike<number>} weights of each code
 * @param {Palette} palette
 * @param {Theme} theme
 * @param {Scale} scale
 * @returns {Uint8ClampedArray<ArrayBuffer>} 256 * RGBA; masked is transparent
 */
export function lookupTable(weights, palette, theme, scale, floor = LOG_FLOOR) {
  const table = new Uint8ClampedArray(weights.length * 4);
  for (let code = 0; code < weights.length; code++) {
    if (Number.isNaN(weights[code])) continue;
    table.set([...colourAt(palette, theme, position(weights[code], scale, floor)), 255], code * 4);
  }
  return table;
}
