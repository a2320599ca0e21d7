/** A graphics processor, where the browser hands one out: in the page and in a worker alike. One that fails is asked no more. */

import { KEYS_AT_ONCE, WGSL } from "./shader.js";

/** @typedef {import("./shader.js").Taken} Taken */
/** @typedef {import("./shader.js").Piece} Piece */

// As the standard numbers them; TypeScript knows the names' types alone.
const [READ, COPY_FROM, COPY_TO, UNIFORM, STORAGE] = [0x1, 0x4, 0x8, 0x40, 0x80];

/** @type {Promise<GPUDevice | null> | null} */
let asked = null;
/** @type {WeakMap<GPUDevice, Promise<GPUComputePipeline>>} */
const pipelines = new WeakMap();

/** The device, asked for once. @returns {Promise<GPUDevice | null>} null where there is none, or one that failed */
export function gpu() {
  asked ??= request();
  return asked;
}

/** What was lost, or wrong, once is not tried again at every tile. */
export function giveUp() {
  asked = Promise.resolve(null);
}

async function request() {
  try {
    const adapter = await navigator.gpu?.requestAdapter();
    if (!adapter || adapter.info.isFallbackAdapter) return null; // a program that plays one is slower than this one
    const device = await adapter.requestDevice();
    device.lost.then(giveUp);
    return device;
  } catch {
    return null;
  }
}

/** Whether the device can hold a block. @param {GPUDevice} device @param {Taken} taken @param {number} numbers of an answer */
export function hasRoom({ limits }, { buffers, keys }, numbers) {
  const most = Math.min(limits.maxStorageBufferBindingSize, limits.maxBufferSize);
  const fits = [4 * numbers, ...buffers.map((buffer) => buffer.byteLength)].every((bytes) => bytes <= most);
  return fits && Math.ceil(keys / KEYS_AT_ONCE) <= limits.maxComputeWorkgroupsPerDimension;
}

/** A block on the device, in whose memory all that it takes is until it is closed. */
export class Evaluation {
  /**
   * @param {GPUDevice} device
   * @param {Taken} taken
   * @param {number} pieces at once, at most
   * @param {number} numbers of an answer, at most
   */
  constructor(device, { layout, buffers, keys }, pieces, numbers) {
    this.device = device;
    this.keys = keys;
    /** @type {GPUBuffer[]} in the order of the shader's bindings, the answer's copy last */
    this.memory = [];
    this.sound = checked(device, () => {
      /** @param {number} size in bytes @param {number} usage */
      const make = (size, usage) => this.memory.push(device.createBuffer({ size, usage }));
      make(layout.byteLength, UNIFORM | COPY_TO);
      for (const { byteLength } of buffers) make(byteLength, STORAGE | COPY_TO);
      make(16 * pieces, STORAGE | COPY_TO);
      make(4 * numbers, STORAGE | COPY_FROM);
      make(4 * numbers, READ | COPY_TO);
      [layout, ...buffers].forEach((given, at) => device.queue.writeBuffer(this.memory[at], 0, given));
    });
  }

  /**
   * The shader's answer for some pieces: lines of a number for each key.
   *
   * @param {Piece[]} pieces
   * @param {number} lines
   * @returns {Promise<Float32Array | null>} null where the device is lost, or refused something
   */
  async run(pieces, lines) {
    const { device, keys, memory } = this;
    const [listed, made, answer] = memory.slice(-3);
    const bytes = 4 * lines * keys;
    try {
      const pipeline = await pipelineOf(device);
      /** @type {Promise<void> | undefined} */
      let mapped;
      const sent = checked(device, () => {
        device.queue.writeBuffer(listed, 0, Uint32Array.from(pieces.flatMap(({ top, bottom, line }) => [top, bottom, line, 0])));
        const entries = memory.slice(0, -1).map((buffer, binding) => ({ binding, resource: { buffer } }));
        const encoder = device.createCommandEncoder();
        const pass = encoder.beginComputePass();
        pass.setPipeline(pipeline);
        pass.setBindGroup(0, device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries }));
        pass.dispatchWorkgroups(Math.ceil(keys / KEYS_AT_ONCE), pieces.length);
        pass.end();
        encoder.copyBufferToBuffer(made, 0, answer, 0, bytes);
        device.queue.submit([encoder.finish()]);
        mapped = answer.mapAsync(READ, 0, bytes);
      });
      await mapped;
      const numbers = new Float32Array(answer.getMappedRange(0, bytes)).slice();
      answer.unmap();
      return (await this.sound) && (await sent) ? numbers : null;
    } catch {
      return null;
    }
  }

  close() {
    for (const buffer of this.memory) buffer.destroy();
  }
}

/** @param {GPUDevice} device */
function pipelineOf(device) {
  const known = pipelines.get(device);
  if (known) return known;
  const compute = { module: device.createShaderModule({ code: WGSL }), entryPoint: "main" };
  const made = device.createComputePipelineAsync({ layout: "auto", compute });
  pipelines.set(device, made);
  return made;
}

/**
 * Whether a device took what it is told; it says so later, and what it refuses is an answer of zeros else.
 *
 * @param {GPUDevice} device
 * @param {() => void} tell
 * @returns {Promise<boolean>}
 */
function checked(device, tell) {
  device.pushErrorScope("validation");
  device.pushErrorScope("out-of-memory");
  tell();
  const errors = [device.popErrorScope(), device.popErrorScope()];
  return Promise.all(errors).then(
    (each) => each.every((error) => error === null),
    () => false,
  );
}
