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
/** @typedef {import("../types.js").Unit} Unit */
/** @typedef {Palette | "signed"} Ramp what values are drawn in; signed: what has a sign, whatever the palette */

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
// Of what has a sign, from minus to plus: zero in the middle is the page's colour, plus is ink's, and minus a blue as light
// as that, in straight lines in OKLab too. Orange and blue are told apart by whoever sees no red or no green.
/** @type {Record<Theme, string>} */
const SIGNED = {
  light: `2b70c9 3f7cce 5188d4 6294d9 74a0de 85ace2 96b8e7 a7c4eb b8d0f0 cadbf4 dbe7f8 edf3fb ffffff ${(THEMED.ink?.light ?? "").slice(7)}`,
  dark: `72b5ff 6aa6e9 6298d4 5a89bf 527baa 4a6e96 426082 3b536f 33465d 2c3a4b 242e39 1d2229 161719 ${(THEMED.ink?.dark ?? "").slice(7)}`,
};

/** What values of a unit are drawn in. @param {Palette} palette the chosen one @param {Unit} [unit] @returns {Ramp} */
export const rampOf = (palette, unit) => (unit?.signed ? "signed" : palette);

/**
 * @param {Ramp} palette
 * @param {Theme} theme ink, grey and signed depend on it
 * @returns {number[][]} evenly spaced [r, g, b]
 */
function stopsOf(palette, theme) {
  const written = palette === "signed" ? SIGNED[theme] : (THEMED[palette]?.[theme] ?? STOPS[palette] ?? "");
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
 * @param {Ramp} palette
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
 * Where a value of any unit stands on its ramp: of what has a sign, zero in the middle.
 *
 * @param {number} value
 * @param {Scale} scale
 * @param {Unit} [unit] none: a weight
 * @param {number} [floor] of the logarithmic scale, as a share of the largest value
 * @returns {number} 0..1
 */
export function tone(value, scale, unit, floor) {
  if (!unit) return position(value, scale, floor);
  const share = position(Math.abs(value) / unit.limit, scale, floor);
  return unit.signed ? (1 + Math.sign(value) * share) / 2 : share;
}

/**
 * Colours of the 256 codes of tiles and thumbnails.
 *
 * @param {ArrayLike<number>} weights of each code
 * @param {Palette} palette
 * @param {Theme} theme
 * @param {Scale} scale
 * @param {number} [floor]
 * @param {Unit} [unit] none: weights
 * @returns {Uint8ClampedArray<ArrayBuffer>} 256 * RGBA; masked is transparent
 */
export function lookupTable(weights, palette, theme, scale, floor = LOG_FLOOR, unit) {
  const ramp = rampOf(palette, unit);
  const table = new Uint8ClampedArray(weights.length * 4);
  for (let code = 0; code < weights.length; code++) {
    if (Number.isNaN(weights[code])) continue;
    table.set([...colourAt(ramp, theme, tone(weights[code], scale, unit, floor)), 255], code * 4);
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
