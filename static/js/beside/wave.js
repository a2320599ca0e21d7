/** A recording as its wave over a ruler of seconds, with the attended frames shaded; and its sound. */

import { cssColour, element, sharpContext } from "../views/dom.js";
import { envelope } from "../input/media.js";
import { brightness, frameAt, UNLIT } from "./spotlight.js";

/** @typedef {import("../types.js").Axis} Axis */
/** @typedef {CanvasRenderingContext2D} Context */
/** @typedef {{began: number, source: AudioBufferSourceNode, speaker: AudioContext}} Playing since when, in its own time */

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
    this.canvas = element("canvas", { "aria-hidden": "true" });
    /** @type {[number, number][]} start and end of each frame */
    this.seconds = [];
    /** @type {AudioBuffer | null} */
    this.sound = null;
    /** @type {AudioContext | null} */
    this.speaker = null;
    /** @type {Playing | null} */
    this.running = null;
    /** @type {Float32Array | null} the wave's height at each pixel */
    this.peaks = null;
    this.length = 1; // seconds
    this.width = 0;
    this.at = this.over = -1;
    this.shown = UNLIT;
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
    this.sound = sound;
    this.seconds = axis.seconds ?? [];
    this.at = this.over = -1;
    this.shown = UNLIT;
    this.length = axis.duration ?? this.seconds[this.seconds.length - 1][1];
    this.peaks = null;
  }

  /** @param {number} width of its room */
  fit(width) {
    this.width = width;
    this.peaks = null;
    this.draw();
  }

  /** @param {import("./spotlight.js").Light} light */
  show(light) {
    this.shown = light;
    this.draw();
  }

  /** Where a moment stands. @param {number} moment in seconds */
  place(moment) {
    return (Math.min(Math.max(moment, 0), this.length) / this.length) * this.width;
  }

  draw() {
    if (!this.seconds.length || !this.width) return;
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
    for (const index of this.shown.marked) this.mark(context, index);
    this.ruler(context);
    if (this.running) {
      context.fillStyle = cssColour("--text");
      context.fillRect(this.place(this.running.speaker.currentTime - this.running.began), 0, 1, HEIGHT);
    }
  }

  /** Under a frame; one narrower than the mark stands out by a line over it. @param {Context} context @param {number} index */
  mark(context, index) {
    const [start, stop] = this.seconds[index] ?? [this.length, this.length];
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
    const { light, most, scale } = this.shown;
    if (!light) return shades;
    this.seconds.forEach(([start, stop], index) => {
      if (start >= this.length) return;
      const share = brightness(light[index], most, scale);
      const left = Math.min(Math.round(this.place(start)), shades.length - 1);
      const right = Math.max(Math.round(this.place(stop)), left + 1);
      for (let x = left; x < right; x++) shades[x] = Math.max(shades[x], share);
    });
    return shades;
  }

  /** @param {Context} context */
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

  /** @param {Context} context */
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

  /** @param {MouseEvent} event */
  under(event) {
    if (!this.width) return -1;
    const moment = ((event.clientX - this.root.getBoundingClientRect().left) / this.width) * this.length;
    return frameAt(this.seconds, moment);
  }

  /** @param {PointerEvent} event */
  pointed(event) {
    const index = this.under(event);
    if (index === this.over) return;
    this.over = this.at = index;
    if (index < 0) this.on.leave();
    else this.on.hover(index);
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const by = event.key === "ArrowLeft" ? -1 : event.key === "ArrowRight" ? 1 : 0;
    if (event.shiftKey || !this.seconds.length || !(by || event.key === "Enter")) return;
    event.preventDefault();
    if (!by) return void (this.at >= 0 && this.on.choose(this.at));
    this.at = Math.min(Math.max(this.at + by, 0), this.seconds.length - 1);
    this.on.hover(this.at);
  }

  /** Plays the recording, or stops it. */
  play() {
    if (!this.sound || this.running) return this.stop();
    const speaker = (this.speaker ??= new AudioContext());
    speaker.resume();
    const source = speaker.createBufferSource();
    source.buffer = this.sound;
    source.connect(speaker.destination);
    source.addEventListener("ended", () => this.stop());
    source.start();
    this.running = { began: speaker.currentTime, source, speaker };
    this.on.playing(true);
    const tick = () => {
      if (!this.running) return;
      this.draw();
      requestAnimationFrame(tick);
    };
    tick();
  }

  stop() {
    if (!this.running) return;
    const { source } = this.running;
    this.running = null;
    source.stop();
    this.on.playing(false);
    this.draw();
  }
}
