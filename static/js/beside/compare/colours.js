/** Differences to colours: zero is the page's own colour, more is its accent, less is blue. */

import { colourAt, position, rampOf, tone } from "../../map/colour.js";

/** @typedef {import("../../types.js").Scale} Scale */
/** @typedef {import("../../types.js").Theme} Theme */

// As the ink ramp, a straight line in OKLab from the page's colour; its end is the second hue of the ribbons, which
// colour-blind readers tell from the accent.
/** @type {Record<Theme, string>} */
const LESS = {
  light: "ffffff ebf1f8 d6e3f1 c2d5ea adc8e3 98badc 83add5 6da0cd 5794c6 4088be 247bb6 0a66a8",
  dark: "161719 1b2229 202e39 253a4a 2a475b 2f546d 36627f 3d7092 457fa6 4e8fba 579fcf 62b6f2",
};

/** @param {Theme} theme @param {number} t 0..1 @returns {number[]} [r, g, b] */
function lessAt(theme, t) {
  const stops = LESS[theme].split(" ").map((hex) => [0, 2, 4].map((at) => parseInt(hex.slice(at, at + 2), 16)));
  const place = Math.min(Math.max(t, 0), 1) * (stops.length - 1);
  const low = Math.min(Math.floor(place), stops.length - 2);
  return stops[low].map((value, channel) => Math.round(value + (stops[low + 1][channel] - value) * (place - low)));
}

const STEPS = 255; // colours of a ramp

/** @param {(t: number) => number[]} at a colour of 0..1 @returns {number[][]} evenly spaced */
const ramp = (at) => Array.from({ length: STEPS + 1 }, (_, step) => at(step / STEPS));

/**
 * @param {import("../../types.js").Palette} palette
 * @param {Theme} theme
 * @param {Scale} scale
 * @param {number} floor of the logarithmic scale
 * @returns {(weight: number) => number[]} [r, g, b]
 */
export function weightColours(palette, theme, scale, floor) {
  const colours = ramp((t) => colourAt(palette, theme, t));
  return (weight) => colours[Math.round(STEPS * Math.max(0, position(weight, scale, floor)))];
}

/**
 * Values of a measure, as the map on show draws them: what has a sign diverges around zero.
 *
 * @param {import("../../types.js").Unit} unit
 * @param {import("../../types.js").Palette} palette
 * @param {Theme} theme
 * @param {Scale} scale
 * @param {number} floor of the logarithmic scale
 * @returns {(value: number) => number[]} [r, g, b]
 */
export function unitColours(unit, palette, theme, scale, floor) {
  const colours = ramp((t) => colourAt(rampOf(palette, unit), theme, t));
  return (value) => colours[Math.round(STEPS * Math.min(Math.max(0, tone(value, scale, unit, floor)), 1))];
}

/**
 * @param {number} most the largest difference, whatever the sign
 * @param {Theme} theme
 * @param {Scale} scale
 * @returns {(value: number) => number[]} [r, g, b]
 */
export function signedColours(most, theme, scale) {
  const [less, more] = [ramp((t) => lessAt(theme, t)), ramp((t) => colourAt("ink", theme, t))];
  return (value) => {
    const t = most > 0 ? position(Math.abs(value) / most, scale) : 0;
    return (value < 0 ? less : more)[Math.round(STEPS * t)];
  };
}
