/** A strip of small bars that grow from zero; what lies under the pointer is read out. */

import { t } from "../../text/i18n.js";
import { cssColour, element, sharpContext } from "../../views/dom.js";
import { barsOf, extentOf } from "./bars.js";
import { formula } from "./formula.js";
import { digits, strongest } from "./steps.js";

/** @typedef {import("./bars.js").Bar} Bar */
/** @typedef {import("./steps.js").Strip} Strip */

const HEIGHT = 36;
const LEAST = 0.5; // pixels of a number that is not zero
const WIDE = 6; // pixels a bar that leave room for a gap
const NARROW = 3;

/**
 * @param {Strip} strip
 * @param {(key: number) => string} nameOf a key's token
 * @param {((key: number) => void) | null} choose a key; null: nothing is chosen here
 * @returns {{node: HTMLElement, draw: (width: number) => void}} `draw` once it has its place
 */
export function stripOf(strip, nameOf, choose) {
  const { values, along, marked } = strip;
  const canvas = element("canvas", { role: "img", "aria-label": described(strip, nameOf) });
  const readout = element("span", { class: "quiet tabular derivation-readout" });
  const [low, high] = extentOf(values);
  const rest = low < 0 ? `${digits(low)} … ${digits(high)}` : `0 … ${digits(high)}`;
  readout.textContent = rest;
  /** @type {Bar[]} */
  let bars = [];
  /** @param {MouseEvent} event */
  const under = (event) => bars[Math.floor((event.offsetX / canvas.clientWidth) * bars.length)];
  canvas.addEventListener("pointermove", (event) => {
    const bar = under(event);
    if (!bar) return;
    const what = along === "key" ? `${bar.at} ${nameOf(bar.at)}` : `d ${bar.at}`;
    readout.textContent = `${what}: ${Number.isNaN(bar.value) ? "—" : digits(bar.value)}`;
  });
  canvas.addEventListener("pointerleave", () => (readout.textContent = rest));
  if (choose && along === "key") {
    canvas.classList.add("choosable");
    canvas.addEventListener("click", (event) => {
      const bar = under(event);
      if (bar && !Number.isNaN(bar.value)) choose(bar.at);
    });
  }
  const head = element("figcaption", { class: "derivation-caption" }, formula(strip.name), readout);
  const node = element("figure", { class: "derivation-strip" }, head, canvas);
  /** @param {number} width */
  const draw = (width) => {
    if (width <= 0) return;
    bars = barsOf(values, width);
    paint(canvas, bars, { low, high, marked, along, width });
  };
  return { node, draw };
}

/** What a strip says to those who do not see it. @param {Strip} strip @param {(key: number) => string} nameOf */
function described({ name, values, along, marked }, nameOf) {
  const [low, high] = extentOf(values).map((value) => digits(value));
  const [most] = strongest(values, 1);
  const plain = name.replace(/_\{([^}]*)\}/g, " $1");
  const facts = { name: plain, n: values.length, low, high };
  const whole = t(`derive_strip_${along}`, facts);
  if (most === undefined) return whole;
  const place = along === "key" ? `${most} ${nameOf(most)}` : String(most);
  const largest = t("derive_strip_most", { place, value: digits(values[most]) });
  return marked < 0 ? `${whole} ${largest}` : `${whole} ${largest} ${t("derive_strip_marked", { place: marked })}`;
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {Bar[]} bars
 * @param {{low: number, high: number, marked: number, along: "dimension" | "key", width: number}} how
 */
function paint(canvas, bars, { low, high, marked, along, width }) {
  const context = sharpContext(canvas, width, HEIGHT);
  const span = high - low || 1;
  const zero = 1 + (HEIGHT - 2) * (high / span); // from the top
  const step = width / bars.length;
  const gap = step > WIDE ? 2 : step > NARROW ? 1 : 0;
  const [plus, minus, quiet, line, accent] = ["--plus", "--minus", "--bar", "--line", "--accent"].map(cssColour);
  context.fillStyle = line;
  context.fillRect(0, Math.round(zero) - 0.5, width, 1);
  bars.forEach((bar, index) => {
    const here = marked >= bar.from && marked < bar.to;
    const left = index * step + gap / 2;
    if (here) {
      context.fillStyle = cssColour("--sunken");
      context.fillRect(Math.max(0, left - 1), 0, Math.max(step - gap, 1) + 2, HEIGHT);
    }
    if (Number.isNaN(bar.value) || bar.value === 0) return;
    const height = Math.max((Math.abs(bar.value) / span) * (HEIGHT - 2), LEAST);
    context.fillStyle = here ? accent : along === "key" ? quiet : bar.value < 0 ? minus : plus;
    context.fillRect(left, bar.value < 0 ? zero : zero - height, Math.max(step - gap, 0.75), height);
  });
}
