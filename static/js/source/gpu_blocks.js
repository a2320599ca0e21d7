/**
 * Long blocks of a map by the graphics processor, where there is one: what `LayerMaps.window` has, to a millionth.
 *
 * Whatever stands against it, no adapter, a kind that the shader lacks, numbers too large, a device that is lost or wrong,
 * is answered by null, and whoever asked goes on without it.
 */

import { LayerMaps } from "./evaluate.js";
import { Evaluation, giveUp, gpu, hasRoom } from "./gpu.js";
import { covers, takenBy } from "./shader.js";
import { stretchOf } from "./visible.js";

/** @typedef {import("./blocks.js").Turn} Turn */
/** @typedef {import("./glance.js").Maps} Maps */
/** @typedef {import("./shader.js").How} How */
/** @typedef {import("./shader.js").Piece & {band: number}} Piece */
/** @typedef {import("./visible.js").Stretch} Stretch */
/** @typedef {import("../types.js").Range} Range */
/** @typedef {import("../types.js").Reduction} Reduction */
/** @typedef {{pieces: Piece[], lines: number}} Batch */

const WORTH = 1 << 25; // multiplications of a block: some 30 ms of a processor, several times what asking the device takes
const LONGEST = 2 ** 30; // of them at once: a frame or so of a laptop's graphics, which draws the screen besides
const TALLEST = 128; // rows of a piece, so that a map has enough of them to keep a device busy
const LARGEST = 1 << 22; // numbers of an answer: 16 MB
const NEAR = 1e-6;

/**
 * The weights of a block, row-major; 0 where masked.
 *
 * @param {Maps} maps
 * @param {number} head
 * @param {Range} rows
 * @param {Range} cols
 * @param {Turn} turn
 * @returns {Promise<Float32Array | null>} null where no device has them
 */
export async function windowOnGpu(maps, head, rows, cols, turn) {
  const width = cols[1] - cols[0];
  const weights = new Float32Array((rows[1] - rows[0]) * width);
  const done = await inPieces(maps, head, [rows], cols, "each", turn, ({ top }, values) => weights.set(values, top * width));
  return done ? weights : null;
}

/**
 * Of each block the sum of its weights, or the largest, and how many cells are not masked.
 *
 * @param {Maps} maps
 * @param {number} head
 * @param {Range[]} bands of rows, one after the other
 * @param {Range[]} stretches of columns, from the left
 * @param {Reduction} how
 * @param {Turn} turn
 * @returns {Promise<{sums: Float64Array, counts: Float64Array} | null>} row-major; null where no device has them
 */
export async function blocksOnGpu(maps, head, bands, stretches, how, turn) {
  const width = stretches.length;
  const sums = new Float64Array(bands.length * width);
  const counts = new Float64Array(sums.length);
  const [[first], [start], [, stop]] = [bands[0], stretches[0], stretches[width - 1]];
  const done = await inPieces(maps, head, bands, [start, stop], how, turn, ({ top, bottom, band }, values, stretch) => {
    for (const [x, [left, right]] of stretches.entries()) {
      const at = band * width + x;
      for (let row = top; row < bottom; row++) {
        const [low, high] = seenBy(stretch, first + row, left, right);
        counts[at] += Math.max(0, high - low);
      }
      for (let key = left; key < right; key++) {
        const value = values[key - start];
        sums[at] = how === "mean" ? sums[at] + value : Math.max(sums[at], value);
      }
    }
  });
  return done ? { sums, counts } : null;
}

/**
 * A block in pieces, as many at once as a device may take.
 *
 * @param {Maps} maps
 * @param {number} head
 * @param {Range[]} bands of rows
 * @param {Range} cols
 * @param {How} how
 * @param {Turn} turn
 * @param {(piece: Piece, values: Float32Array, stretch: Stretch) => void} take called with each piece that sees a key; its rows
 *   count from the first band's
 * @returns {Promise<boolean>} whether a device had all
 */
async function inPieces(maps, head, bands, cols, how, turn, take) {
  /** @type {Range} */
  const rows = [bands[0][0], bands[bands.length - 1][1]];
  const width = cols[1] - cols[0];
  if (!(maps instanceof LayerMaps) || (rows[1] - rows[0]) * width * maps.size < WORTH || !covers(maps)) return false;
  const device = await gpu();
  const taken = device && takenBy(maps, head, rows, cols, how);
  if (!device || !taken) return false;
  const stretch = /** @type {Stretch} */ (stretchOf(maps.described.mask));
  const batches = batchesOf(bands, cols, maps.size, how, stretch);
  const numbers = width * Math.max(1, ...batches.map(({ lines }) => lines));
  const most = Math.max(1, ...batches.map(({ pieces }) => pieces.length));
  if (!hasRoom(device, taken, numbers)) return false;
  const evaluation = new Evaluation(device, taken, most, numbers);
  try {
    for (const { pieces, lines } of batches) {
      await turn();
      const values = await evaluation.run(pieces, lines);
      if (!values) return false;
      /** @param {Piece} piece */
      const of = ({ top, bottom, line }) => values.subarray(line * width, (line + (how === "each" ? bottom - top : 1)) * width);
      const tried = pieces[pieces.length >> 1];
      if (!isRight(maps, head, rows[0], tried, cols, how, of(tried), stretch)) {
        giveUp();
        return false;
      }
      for (const piece of pieces) take(piece, of(piece), stretch);
    }
    return true;
  } finally {
    evaluation.close();
  }
}

/**
 * @param {Range[]} bands
 * @param {Range} cols
 * @param {number} size of a head
 * @param {How} how
 * @param {Stretch} stretch
 * @returns {Batch[]} pieces that see a key, in batches that a device may take at once
 */
function batchesOf(bands, [left, right], size, how, stretch) {
  const width = right - left;
  const first = bands[0][0];
  /** @type {Batch[]} */
  const batches = [];
  let room = 0; // rows that the last batch may still take
  for (const [band, [start, stop]] of bands.entries())
    for (let top = start; top < stop; top += TALLEST) {
      const bottom = Math.min(top + TALLEST, stop);
      const [low] = seenBy(stretch, top, left, right);
      const [, high] = seenBy(stretch, bottom - 1, left, right);
      if (low >= high) continue;
      const added = how === "each" ? bottom - top : 1;
      let last = batches.at(-1);
      if (!last || room < bottom - top || (last.lines + added) * width > LARGEST) {
        batches.push((last = { pieces: [], lines: 0 }));
        room = LONGEST / (width * size);
      }
      last.pieces.push({ top: top - first, bottom: bottom - first, band, line: last.lines });
      last.lines += added;
      room -= bottom - top;
    }
  return batches;
}

/** The keys of a stretch of columns that a query sees, half open. @param {Stretch} stretch @param {number} query @param {number} left @param {number} right @returns {Range} */
function seenBy({ lowest, highest, end }, query, left, right) {
  return [Math.max(left, query + lowest), Math.min(right, query + highest, end)];
}

/**
 * Whether a piece is what it is here, at the first and the last key that its last row sees: a driver may be wrong, and no
 * error tells.
 *
 * @param {LayerMaps} maps
 * @param {number} head
 * @param {number} first row of the block
 * @param {Piece} piece
 * @param {Range} cols
 * @param {How} how
 * @param {Float32Array} values
 * @param {Stretch} stretch
 */
function isRight(maps, head, first, { top, bottom }, [left, right], how, values, stretch) {
  const [low, high] = seenBy(stretch, first + bottom - 1, left, right);
  return [low, high - 1].every((key) => {
    if (key < left || key >= right) return true;
    const weights = maps.window(head, [first + top, first + bottom], [key, key + 1]);
    const sum = how === "mean" ? weights.reduce((all, weight) => all + weight, 0) : Math.max(...weights);
    if (how !== "each") return Math.abs(values[key - left] - sum) <= NEAR * (how === "mean" ? bottom - top : 1);
    return weights.every((weight, row) => Math.abs(values[row * (right - left) + key - left] - weight) <= NEAR);
  });
}
