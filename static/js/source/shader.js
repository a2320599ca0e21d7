/**
 * The weights of a block on a graphics processor: the shader, and what it takes.
 *
 *     A_ij = exp(scale * <q_i, k_j> + bias_(j-i) - lse_i)       0 where masked
 *
 * It has numbers of 32 bits alone, and a score of 30 in these is uncertain by two millionths, as then is its weight. So q
 * times scale, and k, are each split into a multiple of a power of two and a small rest; products of the multiples are whole
 * numbers, and add up, with those of bias and lse, without an error; what is left is small, and so is its error.
 */

import { stretchOf } from "./visible.js";

/** @typedef {import("./evaluate.js").LayerMaps} LayerMaps */
/** @typedef {import("../types.js").Range} Range */
/** @typedef {"each" | "mean" | "max"} How the weights themselves, or of a piece of each key's rows the sum, or the largest */
/** @typedef {{top: number, bottom: number, line: number}} Piece rows of the block, half open, and the answer's line where they begin */
/** @typedef {{layout: DataView<ArrayBuffer>, buffers: (Int32Array<ArrayBuffer> | Float32Array<ArrayBuffer>)[], keys: number}} Taken */

const ROWS = 8; // that a thread has at once: each key is read once for so many
export const KEYS_AT_ONCE = 64; // of a group of threads
const SCORES = new Set(["dot", "scaled_dot"]);
const BITS = 27; // of a sum of whole numbers: with bias and lse it stays within 32
const FINEST = 2 ** -21; // what a whole number counts: 2^28 of them are a weight of 0
const NOTHING = -(2 ** 29); // of these: a bias that leaves no weight, whatever the score
const HOW = { each: 0, mean: 1, max: 2 };

export const WGSL = `
const ROWS = ${ROWS}u;

struct Block {
  rows: u32, keys: u32, steps: u32, how: u32,
  query: i32, key: i32, lowest: i32, highest: i32,
  end: i32, offset: i32, biased: u32, unit: f32,
  query_unit: f32, key_unit: f32, keys_per_unit: f32, unused: f32,
}

@group(0) @binding(0) var<uniform> block: Block;
@group(0) @binding(1) var<storage, read> query_whole: array<vec4<i32>>;
@group(0) @binding(2) var<storage, read> query_rest: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> keys: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> levels: array<vec2<i32>>;
@group(0) @binding(5) var<storage, read> biases: array<vec2<i32>>;
@group(0) @binding(6) var<storage, read> pieces: array<vec4<u32>>;
@group(0) @binding(7) var<storage, read_write> sums: array<f32>;

@compute @workgroup_size(${KEYS_AT_ONCE})
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let at = id.x;
  if (at >= block.keys) { return; }
  let piece = pieces[id.y];
  let key = block.key + i32(at);
  var sum = 0.0;
  for (var top = piece.x; top < piece.y; top += ROWS) {
    let count = min(ROWS, piece.y - top);
    let query = block.query + i32(top);
    let seen = key < block.end && key >= query + block.lowest && key < query + i32(count) - 1 + block.highest;
    var whole = array<i32, ROWS>();
    var rest = array<f32, ROWS>();
    if (seen) {
      for (var step = 0u; step < block.steps; step++) {
        let k = keys[step * block.keys + at];
        let k_whole = vec4<i32>(round(k * block.keys_per_unit));
        let k_most = vec4<f32>(k_whole) * block.key_unit;
        let k_rest = k - k_most;
        for (var r = 0u; r < ROWS; r++) {
          let start = min(top + r, block.rows - 1u) * block.steps + step;
          let q_whole = query_whole[start];
          let q_rest = query_rest[start];
          whole[r] += dot(q_whole, k_whole);
          rest[r] += dot(q_rest, k_most) + dot(vec4<f32>(q_whole) * block.query_unit + q_rest, k_rest);
        }
      }
    }
    for (var r = 0u; r < count; r++) {
      var weight = 0.0;
      let row = top + r;
      let own = query + i32(r);
      if (seen && key >= own + block.lowest && key < own + block.highest) {
        let level = levels[row];
        var bias = vec2<i32>(0, 0);
        if (block.biased != 0u) { bias = biases[u32(block.offset + i32(at) - i32(row))]; }
        let left = rest[r] + (bitcast<f32>(bias.y) - bitcast<f32>(level.y));
        weight = exp(f32(whole[r] + bias.x - level.x) * block.unit + left);
      }
      if (block.how == ${HOW.each}u) { sums[(piece.z + row - piece.x) * block.keys + at] = weight; }
      else if (block.how == ${HOW.mean}u) { sum += weight; }
      else { sum = max(sum, weight); }
    }
  }
  if (block.how != ${HOW.each}u) { sums[piece.z * block.keys + at] = sum; }
}
`;

/** Whether the shader has this kind of score, mask and bias. @param {LayerMaps} maps */
export function covers({ described: { mask, bias }, score }) {
  return SCORES.has(score.kind) && stretchOf(mask) !== null && (!bias || bias.kind === "toeplitz");
}

/**
 * What the shader takes for a block, as it lies in its memory; null where numbers are such that sums of 32 bits do not hold them.
 *
 * @param {LayerMaps} maps that it covers
 * @param {number} head
 * @param {Range} rows half open
 * @param {Range} cols
 * @param {How} how
 * @returns {Taken | null}
 */
export function takenBy(maps, head, [top, bottom], [left, right], how) {
  const { size, queries, score, factors, described } = maps;
  const [rows, keys, steps] = [bottom - top, right - left, Math.ceil(size / 4)];
  const group = Math.floor(head / (maps.heads / maps.groups));
  const q = maps.q.subarray((head * queries + top) * size, (head * queries + bottom) * size);
  const k = maps.k.subarray((group * maps.keys + left) * size, (group * maps.keys + right) * size);
  const scale = score.scale * (factors ? factors[head] : 1);

  const bits = Math.floor((BITS - Math.ceil(Math.log2(4 * steps))) / 2);
  const keyUnit = unitOf(largest(k), bits);
  const queryUnit = Math.max(unitOf(largest(q) * Math.abs(scale), bits), FINEST / keyUnit);
  const unit = queryUnit * keyUnit;
  const levels = split(maps.lse.subarray(head * queries + top, head * queries + bottom), unit);
  const bias = biasOf(maps, head, [top, bottom], [left, right], unit);
  if (!levels || !bias || levels.some((level, at) => at % 2 === 0 && level < -(2 ** BITS))) return null;

  const whole = new Int32Array(rows * steps * 4);
  const rest = new Float32Array(whole.length);
  for (let row = 0; row < rows; row++)
    for (let d = 0; d < size; d++) {
      const value = scale * q[row * size + d];
      const to = row * steps * 4 + d;
      whole[to] = Math.round(value / queryUnit);
      rest[to] = value - whole[to] * queryUnit;
    }
  const turned = new Float32Array(keys * steps * 4); // by steps of four: what neighbours read together lies together
  for (let key = 0; key < keys; key++)
    for (let d = 0; d < size; d++) turned[((d >> 2) * keys + key) * 4 + (d & 3)] = k[key * size + d];

  const { lowest, highest, end } = /** @type {import("./visible.js").Stretch} */ (stretchOf(described.mask));
  const layout = new DataView(new ArrayBuffer(64));
  const counts = [rows, keys, steps, HOW[how], top, left, lowest, highest, end, rows - 1, described.bias ? 1 : 0];
  counts.forEach((count, at) => layout.setInt32(4 * at, count, true));
  [unit, queryUnit, keyUnit, 1 / keyUnit].forEach((number, at) => layout.setFloat32(44 + 4 * at, number, true));
  return { layout, buffers: [whole, rest, turned, levels, bias], keys };
}

/** @param {Float32Array} numbers */
function largest(numbers) {
  let most = 0;
  for (const number of numbers) most = Math.max(most, Math.abs(number));
  return most;
}

/** The power of two that so large a number is 2^bits of, at most. @param {number} most @param {number} bits */
const unitOf = (most, bits) => 2 ** (Math.ceil(Math.log2(Math.max(most, FINEST))) - bits);

/**
 * Numbers as whole ones of a unit, each with its rest as a float's bits behind it.
 *
 * @param {Float32Array} numbers
 * @param {number} unit
 * @returns {Int32Array<ArrayBuffer> | null} null where one is too large
 */
function split(numbers, unit) {
  const parts = new Int32Array(2 * numbers.length);
  const rests = new Float32Array(parts.buffer);
  for (const [at, number] of numbers.entries()) {
    const whole = Math.round(number / unit);
    if (!(whole <= 2 ** BITS)) return null;
    parts[2 * at] = Math.max(whole, NOTHING);
    rests[2 * at + 1] = whole > NOTHING ? number - whole * unit : 0;
  }
  return parts;
}

/** The bias of a block's offsets, from its last row and first key on. @param {LayerMaps} maps @param {number} head @param {Range} rows @param {Range} cols @param {number} unit */
function biasOf({ file, prefix, described: { bias } }, head, [top, bottom], [left, right], unit) {
  if (!bias) return new Int32Array(2);
  const [heads, offsets] = file.shape(`${prefix}bias`);
  const from = (heads > 1 ? head : 0) * offsets + left - (bottom - 1) + (bias.queries ?? 1) - 1;
  return split(file.floats(`${prefix}bias`).subarray(from, from + bottom - top + right - left - 1), unit);
}
