/** Reads safetensors files: https://github.com/huggingface/safetensors#format. What a file says is believed of nothing. */

import { BadFile, require } from "./bad_file.js";

/** @typedef {{dtype: string, shape: number[], data_offsets: [number, number]}} Entry */
/**
 * @typedef {object} Tensors what maps are evaluated from: a file, or a layer out of one
 * @property {(name: string) => boolean} has
 * @property {(name: string) => number[]} shape
 * @property {(name: string) => Float32Array} floats a tensor's numbers, row-major
 * @property {(name: string) => Int32Array | Uint8Array} integers
 */

const LONGEST_HEADER = 1 << 26; // bytes: of a text of a million tokens; the format's own limit is 100 MB
const FEWEST = 8 + 2;
const SIDES = 8; // of a shape
const SCANNED = 1 << 20; // numbers looked at before others have their turn

export class TensorFile {
  /**
   * @param {ArrayBuffer} buffer a whole file
   * @param {string} [name] of the file, for what is said of it
   * @throws {BadFile} it is no safetensors file, or cut short
   */
  constructor(buffer, name = "") {
    this.buffer = buffer;
    const bytes = buffer.byteLength;
    const length = bytes < FEWEST ? -1 : Number(new DataView(buffer).getBigUint64(0, true));
    require(length >= 2 && new Uint8Array(buffer, 8, 1)[0] === 0x7b, "badNone", { file: name });
    require(length <= LONGEST_HEADER, "badLarge", { place: "the header", count: length, most: LONGEST_HEADER });
    require(8 + length <= bytes, "badShort", { wanted: 8 + length, bytes });
    const { __metadata__: metadata = {}, ...entries } = headerOf(new Uint8Array(buffer, 8, length));
    const strings = isRecord(metadata) && Object.values(metadata).every((value) => typeof value === "string");
    require(strings, "badHeader");
    this.metadata = /** @type {Record<string, string>} */ (metadata);
    this.start = 8 + length;
    this.entries = /** @type {Record<string, Entry>} */ (entries);
    this.checkDirectory();
  }

  /** Every tensor has its own bytes: none lies over another, none is left out, none ends behind the file. */
  checkDirectory() {
    let at = 0;
    const places = Object.entries(this.entries).map(([name, entry]) => {
      require(isEntry(entry), "badDirectory", { tensor: name });
      const [from, to] = entry.data_offsets;
      const numbers = entry.shape.reduce((product, side) => product * side, 1);
      require(to - from === numbers * WIDTHS[entry.dtype], "badDirectory", { tensor: name });
      return { name, from, to };
    });
    for (const { name, from, to } of places.sort((one, other) => one.from - other.from || one.to - other.to)) {
      require(from === at, "badDirectory", { tensor: name });
      at = to;
    }
    const [wanted, bytes] = [this.start + at, this.buffer.byteLength];
    require(wanted <= bytes, "badShort", { wanted, bytes });
    require(wanted === bytes, "badDirectory", { tensor: places.at(-1)?.name ?? "" });
  }

  /** Whether there is a tensor of this name. @param {string} name */
  has(name) {
    return Object.hasOwn(this.entries, name);
  }

  /** The names of a layer's tensors, without their prefix. @param {string} prefix */
  under(prefix) {
    return Object.keys(this.entries).flatMap((name) => (name.startsWith(prefix) ? [name.slice(prefix.length)] : []));
  }

  /** @param {string} name @returns {number[]} */
  shape(name) {
    return this.entry(name).shape;
  }

  /** Whether it holds numbers with a point. @param {string} name */
  isReal(name) {
    return REALS.has(this.entry(name).dtype);
  }

  /** A tensor's numbers, row-major, as 32-bit floating point. @param {string} name @returns {Float32Array} */
  floats(name) {
    const { dtype } = this.entry(name);
    switch (dtype) {
      case "F32":
        return this.view(Float32Array, name);
      case "F64":
        return Float32Array.from(this.view(Float64Array, name));
      case "BF16":
        return widened(this.view(Uint16Array, name));
      case "F16":
        return Float32Array.from(this.view(Uint16Array, name), ofHalf);
      default:
        throw new BadFile("badTensor", { tensor: name });
    }
  }

  /** A tensor's whole numbers, row-major. @param {string} name @returns {Int32Array | Uint8Array} */
  integers(name) {
    const { dtype } = this.entry(name);
    if (dtype === "I64") return Int32Array.from(this.view(BigInt64Array, name), Number);
    if (dtype === "I32") return this.view(Int32Array, name);
    require(dtype === "U8" || dtype === "BOOL", "badTensor", { tensor: name });
    return this.view(Uint8Array, name);
  }

  /**
   * Whether every number of a tensor is one, and finite where `infinite` is not allowed.
   *
   * @param {string} name
   * @param {boolean} infinite
   * @param {() => Promise<void> | void} turn
   */
  async isNumeric(name, infinite, turn) {
    const { dtype } = this.entry(name);
    if (!Object.hasOwn(BITS, dtype)) return true;
    const [kind, exponent, fraction] = BITS[dtype];
    const bits = kind === 4 ? this.view(Uint32Array, name) : this.view(Uint16Array, name);
    const step = dtype === "F64" ? 2 : 1; // of a number of eight bytes the upper four, which come second
    for (let start = 0; start < bits.length; start += SCANNED) {
      for (let at = start + step - 1; at < Math.min(start + SCANNED, bits.length); at += step)
        if ((bits[at] & exponent) === exponent && (!infinite || bits[at] & fraction)) return false;
      await turn();
    }
    return true;
  }

  /** @param {string} name @returns {Entry} */
  entry(name) {
    require(this.has(name), "badMissing", { tensor: name });
    return this.entries[name];
  }

  /**
   * A tensor where it lies, or a copy: a typed array begins at a multiple of its item's size.
   *
   * @template {Float32Array | Float64Array | Uint8Array | Uint16Array | Uint32Array | Int32Array | BigInt64Array} T
   * @param {{new (buffer: ArrayBuffer, offset?: number, length?: number): T, BYTES_PER_ELEMENT: number}} kind
   * @param {string} name
   * @returns {T}
   */
  view(kind, name) {
    const [from, to] = this.entry(name).data_offsets;
    const [start, size] = [this.start + from, kind.BYTES_PER_ELEMENT];
    if (start % size === 0) return new kind(this.buffer, start, (to - from) / size);
    return new kind(this.buffer.slice(start, this.start + to));
  }
}

/** @type {Record<string, number>} bytes of an item */
const WIDTHS = { F64: 8, I64: 8, F32: 4, I32: 4, BF16: 2, F16: 2, U8: 1, BOOL: 1 };
const REALS = new Set(["F64", "F32", "BF16", "F16"]);
/** @type {Record<string, [2 | 4, number, number]>} bytes that are looked at, and where in them exponent and fraction are */
const BITS = {
  F64: [4, 0x7ff00000, 0x000fffff],
  F32: [4, 0x7f800000, 0x007fffff],
  BF16: [2, 0x7f80, 0x007f],
  F16: [2, 0x7c00, 0x03ff],
};

/** @param {unknown} value @returns {value is Record<string, unknown>} */
export const isRecord = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

/** Whether it counts something. @param {unknown} value @returns {value is number} */
export const isCount = (value) => Number.isSafeInteger(value) && /** @type {number} */ (value) >= 0;

/** @param {unknown} entry @returns {entry is Entry} */
function isEntry(entry) {
  if (!isRecord(entry)) return false;
  const { dtype, shape, data_offsets: place } = entry;
  const counted = Array.isArray(shape) && shape.length <= SIDES && shape.every(isCount);
  const placed = Array.isArray(place) && place.length === 2 && place.every(isCount);
  return typeof dtype === "string" && Object.hasOwn(WIDTHS, dtype) && counted && placed;
}

/** @param {Uint8Array} bytes @returns {Record<string, unknown>} */
function headerOf(bytes) {
  try {
    const header = JSON.parse(new TextDecoder().decode(bytes));
    if (isRecord(header)) return header;
  } catch {
    // told below
  }
  throw new BadFile("badHeader");
}

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
