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

/** @type {Palette[]} the first is the page's own */
export const PALETTES = ["ink", "cividis", "viridis", "grey"];

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
// Zero is the page's own colour, so that only attention has ink; one is its accent. A straight line in OKLab between the
// two (Ottosson 2020), so that lightness is monotone and equal steps look equal.
/** @type {Partial<Record<Palette, Record<Theme, string>>>} */
const THEMED = {
  ink: {
    light: "ffffff fcf0ec f9e0d9 f5d1c6 f1c2b3 ecb3a0 e7a38e e2947b dc8569 d67556 d06542 c9542c c2410c",
    dark: "161719 26201f 372925 49332a 5b3c30 6e4635 81503b 955a40 aa6545 be6f4b d47950 e98455 ff8f5a",
  },
  grey: { light: "f1f1ef 101010", dark: "1f2023 f6f6f4" }, // zero is near the page, one is near the text
};

/**
 * @param {Palette} palette
 * @param {Theme} theme ink and grey depend on it
 * @returns {number[][]} evenly spaced [r, g, b]
 */
function stopsOf(palette, theme) {
  const written = THEMED[palette]?.[theme] ?? STOPS[palette] ?? "";
  let stops = read.get(written);
  if (!stops) {
    stops = written.split(" ").map((hex) => [0, 2, 4].map((at) => parseInt(hex.slice(at, at + 2), 16)));
    read.set(written, stops);
  }
  return stops;
}

/** @type {Map<string, number[][]>} stops that were read */
const read = new Map();

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

const MIDDLE = 0.179; // relative luminance on which black and white are read equally well, at 4.58:1

/** The relative luminance of a colour (WCAG 2). @param {ArrayLike<number>} rgb 0..255 */
export function luminance(rgb) {
  const [r, g, b] = Array.from(rgb, (value) => value / 255).map((c) =>
    c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4,
  );
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

/** Whether black or white is read better on a colour: at least 4.5:1 on any. @param {ArrayLike<number>} rgb 0..255 */
export function inkOn(rgb) {
  return luminance(rgb) > MIDDLE ? "#000000" : "#ffffff";
}

/** Whether more attention is darker, as a palette draws it. @param {Palette} palette @param {Theme} theme */
export function darkens(palette, theme) {
  return luminance(colourAt(palette, theme, 1)) < luminance(colourAt(palette, theme, 0));
}
