/** A recording as its wave over a ruler of seconds, with the attended frames shaded; and its sound. */

import { cssColour, element, sharpContext } from "../views/dom.js";
import { envelope } from "../input/media.js";
import { brightness, frameAt } from "./spotlight.js";

/** @typedef {import("../types.js").Axis} Axis */

const HEIGHT = 88; // pixels of the wave
const RULER = 20;
const LEAST_MARK = 5; // pixels
const LABEL = 56; // pixels that a second's name needs
const STEPS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60]; // seconds between names

export class Wave {
  /**
   * @param {HTMLElement} root
   * @param {{hover: (index: number) => void, leave: () => void, choose: (index: number) => void, playing: (on: boolean) => void}} on
   */
  constructor(root, on) {
    this.on = on;
    this.root = root;
    this.canvas = /** @type {HTMLCanvasElement} */ (element("canvas", { "aria-hidden": "true" }));
    root.append(this.canvas);
    root.addEventListener("pointermove", (event) => this.pointed(event));
    root.addEventListener("pointerleave", () => {
      this.over = -1; // to come back to the same place is to point at it again
      this.on.leave();
    });
    root.addEventListener("focusout", () => this.on.leave());
    root.addEventListener("click", (event) => {
      const index = this.under(event);
      if (index >= 0) this.on.choose(index);
    });
    root.addEventListener("keydown", (event) => this.key(event));
  }

  /** @param {Axis} axis @param {AudioBuffer | null} sound null: a ruler alone */
  use(axis, sound) {
    if (sound !== this.sound) this.stop();
    Object.assign(this, { axis, sound, at: -1, over: -1, light: null });
    this.length = axis.duration ?? axis.seconds[axis.seconds.length - 1][1];
    this.peaks = null;
  }

  /** @param {number} width of its room */
  fit(width) {
    this.width = width;
    this.peaks = null;
    this.draw();
  }

  /** See `Picture.show`. */
  show(light, most, marked, scale) {
    Object.assign(this, { light, most, marked, scale });
    this.draw();
  }

  place(moment) {
    return (Math.min(Math.max(moment, 0), this.length) / this.length) * this.width;
  }

  draw() {
    if (!this.axis || !this.width) return;
    const context = sharpContext(this.canvas, this.width, HEIGHT + RULER);
    context.fillStyle = cssColour("--side");
    context.fillRect(0, 0, this.width, HEIGHT);
    const lit = cssColour("--lit");
    this.shades().forEach((share, x) => {
      if (share < 0.01) return;
      context.fillStyle = `rgb(${lit} / ${(0.8 * share).toFixed(3)})`;
      context.fillRect(x, 0, 1, HEIGHT);
    });
    this.waveform(context);
    for (const index of this.marked ?? []) this.mark(context, index);
    this.ruler(context);
    if (this.began !== undefined) {
      context.fillStyle = cssColour("--text");
      context.fillRect(this.place(this.speaker.currentTime - this.began), 0, 1, HEIGHT);
    }
  }

  /** Under a frame; one narrower than the mark stands out by a line over it. */
  mark(context, index) {
    const [start, stop] = this.axis.seconds[index] ?? [this.length, this.length];
    if (start >= this.length) return;
    const [left, right] = [this.place(start), this.place(stop)];
    const width = Math.max(right - left, LEAST_MARK);
    context.fillStyle = cssColour("--accent");
    if (right - left < LEAST_MARK) context.fillRect(Math.floor((left + right) / 2), 0, 1, HEIGHT);
    context.fillRect((left + right - width) / 2, HEIGHT - 3, width, 3);
  }

  /** How bright each pixel is: where frames share one the largest stands for them, as in the map. @returns {Float32Array} */
  shades() {
    const shades = new Float32Array(Math.ceil(this.width));
    if (!this.light) return shades;
    this.axis.seconds.forEach(([start, stop], index) => {
      if (start >= this.length) return;
      const share = brightness(this.light[index], this.most, this.scale);
      const left = Math.min(Math.round(this.place(start)), shades.length - 1);
      const right = Math.max(Math.round(this.place(stop)), left + 1);
      for (let x = left; x < right; x++) shades[x] = Math.max(shades[x], share);
    });
    return shades;
  }

  waveform(context) {
    const middle = HEIGHT / 2;
    context.fillStyle = cssColour("--quiet");
    if (!this.sound) return context.fillRect(0, middle, this.width, 1);
    const part = Math.min(this.sound.duration / this.length, 1);
    this.peaks ??= envelope(this.sound.getChannelData(0), Math.max(1, Math.floor(this.width * part)));
    context.globalAlpha = 0.64; // the shaded frames show through a loud recording
    this.peaks.forEach((peak, x) => {
      const height = Math.max(1, peak * (HEIGHT - 24));
      context.fillRect(x, middle - height / 2, 1, height);
    });
    context.globalAlpha = 1;
  }

  ruler(context) {
    const step = STEPS.find((size) => (size / this.length) * this.width >= LABEL) ?? STEPS[STEPS.length - 1];
    context.font = "11px system-ui, sans-serif";
    context.textBaseline = "top";
    for (let index = 0; index * step <= this.length; index++) {
      const x = this.place(index * step);
      context.fillStyle = cssColour("--bar");
      context.fillRect(Math.min(x, this.width - 1), HEIGHT, 1, 4);
      context.fillStyle = cssColour("--quiet");
      const name = `${Number((index * step).toFixed(1))} s`;
      if (x + context.measureText(name).width <= this.width) context.fillText(name, x + (index ? 3 : 0), HEIGHT + 6);
    }
  }

  under(event) {
    if (!this.axis || !this.width) return -1;
    const moment = ((event.clientX - this.root.getBoundingClientRect().left) / this.width) * this.length;
    return frameAt(this.axis.seconds, moment);
  }

  pointed(event) {
    const index = this.under(event);
    if (index === this.over) return;
    this.over = this.at = index;
    if (index < 0) this.on.leave();
    else this.on.hover(index);
  }

  key(event) {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (event.shiftKey || !this.axis || !(by || event.key === "Enter")) return;
    event.preventDefault();
    if (event.key === "Enter") return this.at >= 0 && this.on.choose(this.at);
    this.at = Math.min(Math.max(this.at + by, 0), this.axis.seconds.length - 1);
    this.on.hover(this.at);
  }

  /** Plays the recording, or stops it. */
  play() {
    if (!this.sound || this.began !== undefined) return this.stop();
    this.speaker ??= new AudioContext();
    this.speaker.resume();
    this.source = this.speaker.createBufferSource();
    this.source.buffer = this.sound;
    this.source.connect(this.speaker.destination);
    this.source.addEventListener("ended", () => this.stop());
    this.source.start();
    this.began = this.speaker.currentTime;
    this.on.playing(true);
    const tick = () => {
      if (this.began === undefined) return;
      this.draw();
      requestAnimationFrame(tick);
    };
    tick();
  }

  stop() {
    if (this.began === undefined) return;
    this.began = undefined;
    this.source.stop();
    this.on.playing(false);
    this.draw();
  }
}
