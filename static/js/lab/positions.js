/** Two ways to tell a place: vectors of sines that are added, and turns of each pair of components. No document here. */

import { even, normal } from "./numbers.js";
import { attend } from "./service.js";

const WIDTH = 64;
const BASE = 10_000;
const REACH = 30; // distances to each side that are looked at
export const FROM = [30, 60]; // queries' places
export const DISTANCES = Array.from({ length: 2 * REACH + 1 }, (_, at) => at - REACH);
const SHORT = (/** @type {number} */ x) => Number(x.toFixed(6));

/** Sines in the first half, cosines in the second (Vaswani et al. 2017; tensor2tensor's layout). @param {number} place */
export function sinusoidal(place) {
  const half = WIDTH / 2;
  const angles = Array.from({ length: half }, (_, at) => place * Math.exp((-at * Math.log(BASE)) / (half - 1)));
  return [...angles.map(Math.sin), ...angles.map(Math.cos)].map(SHORT);
}

/** A vector with each pair of components turned by its angle (Su et al. 2021). @param {number[]} x @param {number} place */
export function turned(x, place) {
  const half = WIDTH / 2;
  const angles = Array.from({ length: half }, (_, at) => place * BASE ** ((-2 * at) / WIDTH));
  const first = angles.map((angle, at) => x[at] * Math.cos(angle) - x[at + half] * Math.sin(angle));
  const second = angles.map((angle, at) => x[at + half] * Math.cos(angle) + x[at] * Math.sin(angle));
  return [...first, ...second].map(SHORT);
}

/**
 * Scores of the queries' places with the places around them, read off the operator's weights: s = ln w + lse.
 *
 * @param {(place: number) => number[]} query
 * @param {(place: number) => number[]} key
 * @param {AbortSignal} signal
 * @returns {Promise<number[][]>} a row for each of FROM, over DISTANCES
 */
async function scores(query, key, signal) {
  const places = Array.from({ length: FROM[1] + REACH + 1 }, (_, at) => at);
  const body = { queries: FROM.map(query), keys: places.map(key), values: places.map(() => [0]) };
  const { weights, lse } = await attend(body, signal);
  return FROM.map((from, at) => DISTANCES.map((distance) => Math.log(weights[at][from + distance]) + (lse[at] ?? NaN)));
}

/** Both ways. @param {AbortSignal} signal */
export async function byDistance(signal) {
  const draw = even(11);
  const [q] = normal(draw, 1, WIDTH);
  const [added, rotary] = await Promise.all([
    scores(sinusoidal, sinusoidal, signal),
    scores((place) => turned(q, place), (place) => turned(q, place), signal),
  ]);
  return { added, rotary };
}
