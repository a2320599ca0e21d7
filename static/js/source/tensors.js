/** Reads safetensors files: https://github.com/huggingface/safetensors#format */

/** @typedef {{dtype: string, shape: number[], data_offsets: [number, number]}} Entry */

const LONGEST_HEADER = 1e8; // bytes, the format's own limit

export class TensorFile {
  /**
   * @param {ArrayBuffer} buffer a whole file
   * @throws {Error} it is no safetensors file, or cut short
   */
  constructor(buffer) {
    this.buffer = buffer;
    const length = buffer.byteLength < 8 ? -1 : Number(new DataView(buffer).getBigUint64(0, true));
    if (length < 2 || length > LONGEST_HEADER || 8 + length > buffer.byteLength)
      throw new Error("this is no safetensors file, or it is cut short");
    let header;
    try {
      header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, length)));
    } catch {
      throw new Error("this is no safetensors file: its header does not read");
    }
    const { __metadata__: metadata, ...entries } = header;
    /** @type {Record<string, string>} */
    this.metadata = metadata ?? {};
    /** @type {Record<string, Entry>} */
    this.entries = entries;
    this.start = 8 + length;
    for (const [name, { shape, data_offsets: [from, to] }] of Object.entries(this.entries)) {
      const size = shape.reduce((product, side) => product * side, 1);
      const bytes = size * (WIDTHS[this.entries[name].dtype] ?? NaN);
      if (to - from !== bytes || from < 0 || this.start + to > buffer.byteLength)
        throw new Error(`${name} is of a kind that is not read here, or the file is cut short`);
    }
  }

  /** Whether there is a tensor of this name. @param {string} name */
  has(name) {
    return Object.hasOwn(this.entries, name);
  }

  /** @param {string} name @returns {number[]} */
  shape(name) {
    return this.entry(name).shape;
  }

  /** A tensor's numbers, row-major, as 32-bit floating point. @param {string} name @returns {Float32Array} */
  floats(name) {
    const { dtype } = this.entry(name);
    const bytes = this.bytes(name);
    if (dtype === "F32") return new Float32Array(bytes);
    if (dtype === "F64") return Float32Array.from(new Float64Array(bytes));
    if (dtype === "BF16") return widened(new Uint16Array(bytes));
    if (dtype === "F16") return Float32Array.from(new Uint16Array(bytes), ofHalf);
    throw new Error(`${name} holds ${dtype}, no floating point`);
  }

  /** A tensor's whole numbers, row-major. @param {string} name @returns {Int32Array | Uint8Array} */
  integers(name) {
    const { dtype } = this.entry(name);
    const bytes = this.bytes(name);
    if (dtype === "I64") return Int32Array.from(new BigInt64Array(bytes), Number);
    if (dtype === "I32") return new Int32Array(bytes);
    if (dtype === "U8" || dtype === "BOOL") return new Uint8Array(bytes);
    throw new Error(`${name} holds ${dtype}, no whole numbers`);
  }

  /** @param {string} name @returns {Entry} */
  entry(name) {
    if (!this.has(name)) throw new Error(`${name} is missing`);
    return this.entries[name];
  }

  /** A copy, since a typed array must begin at a multiple of its item's size. @param {string} name */
  bytes(name) {
    const [from, to] = this.entry(name).data_offsets;
    return this.buffer.slice(this.start + from, this.start + to);
  }
}

/** @type {Record<string, number>} bytes of an item */
const WIDTHS = { F64: 8, I64: 8, F32: 4, I32: 4, BF16: 2, F16: 2, U8: 1, BOOL: 1 };

/** bfloat16 is the upper half of a float32. @param {Uint16Array} halves */
function widened(halves) {
  const whole = new Uint32Array(halves.length);
  for (let index = 0; index < halves.length; index++) whole[index] = halves[index] << 16;
  return new Float32Array(whole.buffer);
}

/** The number of an IEEE half. @param {number} bits */
function ofHalf(bits) {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : 2 ** -14 * (fraction / 1024));
}
