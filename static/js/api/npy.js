/** Reads NumPy's .npy format (versions 1 to 3), the dtypes that the service sends. */

const MAGIC = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59];
/** @type {Record<string, Float32ArrayConstructor | Float64ArrayConstructor | Uint8ArrayConstructor | Int32ArrayConstructor>} */
const TYPES = { "<f4": Float32Array, "<f8": Float64Array, "|u1": Uint8Array, "<i4": Int32Array };

/**
 * @param {ArrayBuffer} buffer a whole file
 * @returns {{shape: number[], data: Float32Array | Float64Array | Uint8Array | Int32Array}} row-major
 * @throws {Error} not an npy file, a dtype or order that is not read here, or too few bytes for its shape
 */
export function decodeNpy(buffer) {
  const bytes = new Uint8Array(buffer);
  if (bytes.length < 10 || MAGIC.some((byte, index) => bytes[index] !== byte)) throw new Error("not an npy file");
  const view = new DataView(buffer);
  const wide = bytes[6] >= 2; // version 1 counts its header in 16 bits
  const start = wide ? 12 : 10;
  const end = start + (wide ? view.getUint32(8, true) : view.getUint16(8, true));
  const header = new TextDecoder().decode(bytes.subarray(start, end));
  const descr = /'descr':\s*'([^']+)'/.exec(header)?.[1] ?? "";
  const Type = TYPES[descr];
  if (!Type) throw new Error(`npy dtype ${descr || "?"} is not one of ${Object.keys(TYPES).join(", ")}`);
  if (!/'fortran_order':\s*False/.test(header)) throw new Error("npy arrays in Fortran order are not read");
  const shape = (/'shape':\s*\(([^)]*)\)/.exec(header)?.[1] ?? "")
    .split(",")
    .filter((part) => part.trim())
    .map(Number);
  const count = shape.reduce((product, size) => product * size, 1);
  if (bytes.length - end < count * Type.BYTES_PER_ELEMENT) throw new Error("the npy file is cut short");
  // A typed array must start on a multiple of its item size; writers pad the header so, but nothing makes them.
  const aligned = end % Type.BYTES_PER_ELEMENT === 0;
  return { shape, data: aligned ? new Type(buffer, end, count) : new Type(buffer.slice(end), 0, count) };
}
