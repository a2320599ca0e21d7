/** Numbers along the axes of drawings. No document here. */

export const TICKS = 4;

/** @param {number} value */
export const short = (value) => String(Number(value.toPrecision(2))).replace("-", "−");

/** Round numbers over a range. @param {number} low @param {number} high */
export function round(low, high) {
  const rough = (high - low || 1) / TICKS;
  const unit = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((by) => by * unit).find((by) => by >= rough) ?? rough;
  const ticks = [];
  for (let at = Math.ceil(low / step - 1e-9); at * step <= high + step * 1e-9; at += 1) ticks.push(at * step);
  return ticks;
}

/** Powers of ten that a range holds, and what lies between them where these are few. @param {number} low @param {number} high */
export function powers(low, high) {
  /** @param {number[]} digits */
  const all = (digits) => {
    const ticks = [];
    for (let at = Math.floor(Math.log10(low)); 10 ** at <= high; at += 1) ticks.push(...digits.map((digit) => digit * 10 ** at));
    return ticks.filter((tick) => tick >= low * 0.999 && tick <= high * 1.001);
  };
  const ticks = [[1], [1, 3], [1, 2, 5]].map(all).find((each) => each.length >= TICKS - 1) ?? all([1, 2, 5]);
  const every = Math.ceil(ticks.length / (TICKS + 2));
  return ticks.length > 1 ? ticks.filter((_, at) => at % every === 0) : [low, high];
}
