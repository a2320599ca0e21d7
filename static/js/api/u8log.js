/** The one-byte code of weights that tiles and thumbnails use: 0 masked, 1 zero or under 2^-24, 255 is 1. */

export const MASKED = 0;
const FLOOR_EXPONENT = -24;
const STEPS = 253; // codes 2..255 span the exponents -24..0

/**
 * @param {number} code 0..255
 * @returns {number} the weight; NaN where masked
 */
export function decodeU8log(code) {
  if (code === MASKED) return NaN;
  return code === 1 ? 0 : 2 ** ((FLOOR_EXPONENT * (255 - code)) / STEPS);
}

/** All 256 weights, to look codes up in. */
export const WEIGHTS = Float64Array.from({ length: 256 }, (_, code) => decodeU8log(code));

/** The code of a weight that is not masked. @param {number} weight */
export function encodeU8log(weight) {
  const exponent = Math.log2(weight);
  if (!(exponent >= FLOOR_EXPONENT)) return 1;
  return Math.min(255, Math.max(2, Math.round(255 - (exponent * STEPS) / FLOOR_EXPONENT)));
}
