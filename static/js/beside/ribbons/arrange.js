/** Where everything stands: two lines of words, or words under what is no text. No document here. */

import { layOut, LINE, patches, stacked, stretches } from "./layout.js";

/** @typedef {import("./layout.js").Item} Item */
/** @typedef {import("./layout.js").Place} Place */
/** @typedef {import("./units.js").Side} Side */
/** @typedef {import("./units.js").Sides} Sides */
/** @typedef {{keys: Place[], queries: Place[], width: number, height: number}} Arranged */

const BAND = 128; // between words and what is no text
const PICTURE = 0.6; // of the room's height at most
const SOUND = 56; // pixels high

/**
 * @param {Sides} sides
 * @param {(text: string, special: boolean) => number} measure the width of a word in pixels
 * @param {{width: number, height: number}} room
 * @returns {Arranged}
 */
export function arrange({ keys, queries }, measure, room) {
  /** @param {Side["units"]} units @returns {Item[]} */
  const items = (units) => units.map(({ text, apart, special }) => ({ width: measure(text, special), apart }));
  if (keys.kind === "words" && queries.kind === "words") {
    const directions = { keys: keys.direction, queries: queries.direction };
    return layOut(items(keys.units), items(queries.units), { ...room, directions });
  }
  const both = keys.kind !== "words" && queries.kind !== "words";
  const high = Math.max(80, room.height * (both ? PICTURE / 2 : PICTURE) - BAND / 2);
  /** @param {Side} side @param {number} y */
  const put = (side, y) => placesOf(side, items, { width: room.width, height: high, y });
  const above = put(keys, 0);
  const below = put(queries, above.height + BAND);
  return {
    keys: above.places,
    queries: below.places,
    width: room.width,
    height: above.height + BAND + below.height,
  };
}

/**
 * @param {Side} side
 * @param {(units: Side["units"]) => Item[]} items
 * @param {{width: number, height: number, y: number}} room
 * @returns {{places: Place[], height: number}}
 */
function placesOf({ kind, units, direction, size = [1, 1], duration = 0 }, items, { width, height, y }) {
  if (kind === "words") return stacked(items(units), { width, y, direction });
  if (kind === "sound") {
    /** @type {[number, number][]} */
    const seconds = units.map((unit) => unit.seconds ?? [0, 0]);
    return { places: stretches(seconds, duration, { width, height: SOUND, y }), height: SOUND + LINE };
  }
  const shown = units.flatMap(({ box }) => (box ? [box] : []));
  const others = stacked(items(units.slice(shown.length)), { width, y: y + height + 8, direction });
  const places = [...patches(shown, size, { width, height, y }), ...others.places];
  return { places, height: height + (others.height && others.height + 8) };
}
