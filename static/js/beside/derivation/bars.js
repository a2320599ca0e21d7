/** Many numbers as a few bars. No document here. */

/**
 * @typedef {{from: number, to: number, at: number, value: number}} Bar a run of numbers, half open, and the one of them
 *   that stands for it: the largest in size; its value is NaN where none is finite
 */

/**
 * @param {ArrayLike<number>} values
 * @param {number} most bars
 * @returns {Bar[]} each number lies in one; the drawn value is a number that is there, never a mean
 */
export function barsOf(values, most) {
  const { length } = values;
  const count = Math.min(length, Math.max(1, Math.floor(most)));
  return Array.from({ length: count }, (_, bar) => {
    const from = Math.floor((bar * length) / count);
    const to = Math.floor(((bar + 1) * length) / count);
    let at = from;
    let value = NaN;
    for (let index = from; index < to; index++) {
      if (!Number.isFinite(values[index]) || Math.abs(values[index]) <= Math.abs(value)) continue;
      at = index;
      value = values[index];
    }
    return { from, to, at, value };
  });
}

/** The least and the largest of what is finite, 0 included: bars begin there. @param {ArrayLike<number>} values @returns {[number, number]} */
export function extentOf(values) {
  let [low, high] = [0, 0];
  for (let at = 0; at < values.length; at++) {
    if (!Number.isFinite(values[at])) continue;
    low = Math.min(low, values[at]);
    high = Math.max(high, values[at]);
  }
  return [low, high];
}
