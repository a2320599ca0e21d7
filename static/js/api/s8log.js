/** The one-byte code of measures' tiles and thumbnails: 0 masked, 128 zero, above it plus, below it minus, to 2^12. */

const FLOOR_EXPONENT = -24;
const TOP_EXPONENT = 12;
const STEPS = 126; // codes 129..255 span the exponents -24..12
const ZERO = 128;

/**
 * @param {number} code 0..255
 * @returns {number} the value; NaN where masked
 */
export function decodeS8log(code) {
  if (code === 0) return NaN;
  const size = Math.abs(code - ZERO);
  if (size === 0) return 0;
  return Math.sign(code - ZERO) * 2 ** (FLOOR_EXPONENT + ((TOP_EXPONENT - FLOOR_EXPONENT) * (size - 1)) / STEPS);
}

/** All 256 values, to look codes up in. */
export const VALUES = Float64Array.from({ length: 256 }, (_, code) => decodeS8log(code));

/** The code of a value that is not masked. @param {number} value */
export function encodeS8log(value) {
  const exponent = Math.log2(Math.abs(value));
  if (!(exponent >= FLOOR_EXPONENT)) return ZERO;
  const step = Math.round(((exponent - FLOOR_EXPONENT) * STEPS) / (TOP_EXPONENT - FLOOR_EXPONENT));
  return ZERO + Math.sign(value) * (1 + Math.min(step, STEPS));
}
