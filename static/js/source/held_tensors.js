/** The tensors of one layer, out of a file that lies elsewhere. */

import { BadFile } from "./bad_file.js";

/** @typedef {import("./tensors.js").Tensors} Tensors */
/** @typedef {import("./trace_maps.js").Held} Held */

/** @implements {Tensors} */
export class HeldTensors {
  /** @param {Record<string, Held>} held by their whole names */
  constructor(held) {
    this.held = held;
  }

  /** Whether there is a tensor of this name. @param {string} name */
  has(name) {
    return Object.hasOwn(this.held, name);
  }

  /** @param {string} name */
  tensor(name) {
    if (!this.has(name)) throw new BadFile("badMissing", { tensor: name });
    return this.held[name];
  }

  /** @param {string} name */
  shape(name) {
    return this.tensor(name).shape;
  }

  /** @param {string} name @returns {Float32Array} */
  floats(name) {
    const { values } = this.tensor(name);
    if (values instanceof Float32Array) return values;
    throw new BadFile("badTensor", { tensor: name });
  }

  /** @param {string} name @returns {Int32Array | Uint8Array} */
  integers(name) {
    const { values } = this.tensor(name);
    if (!(values instanceof Float32Array)) return values;
    throw new BadFile("badTensor", { tensor: name });
  }
}
