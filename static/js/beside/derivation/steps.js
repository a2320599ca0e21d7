/**
 * The steps from a query and a key to a weight and what comes of it, with their numbers put in. No document here.
 *
 * Formulas are plain text in which `_{...}` stands below the line. Words about a step are looked up by its name.
 */

import { norm } from "./unfold.js";

/** @typedef {import("./unfold.js").Unfolded} Unfolded */
/**
 * @typedef {object} Strip numbers to be drawn as bars
 * @property {string} name a formula
 * @property {ArrayLike<number>} values -Infinity where there is none
 * @property {"dimension" | "key"} along
 * @property {number} marked the one that is meant; -1: all alike
 *
 * @typedef {object} Step
 * @property {string} name
 * @property {string[]} lines formulas
 * @property {Strip[]} strips
 * @property {Record<string, string | number>} values for its words
 */

const DIGITS = 6; // of the weight: as many as a float32 holds
const LISTED = 3; // terms that are written out
const LARGE = 1e4; // from here on, and below SMALL, digits say less than the power of ten
const SMALL = 1e-3;

/** A number as formulas have it: with a true minus. @param {number} value @param {number} [count] of digits @returns {string} */
export function digits(value, count = 4) {
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size === Infinity) return value > 0 ? "∞" : "−∞";
  const text = size < SMALL || size >= LARGE ? size.toExponential(count - 1).replace("+", "") : size.toPrecision(count);
  return (value < 0 ? "−" : "") + text.replace("e-", "e−");
}

/** A number that is added. @param {number} value */
const signed = (value) => (value < 0 ? `− ${digits(-value)}` : `+ ${digits(value)}`);

/** A negative factor stands in brackets. @param {number} value */
const factor = (value) => (value < 0 ? `(${digits(value)})` : digits(value));

/** The first numbers of a vector. @param {ArrayLike<number>} values */
function listed(values) {
  const first = Array.from({ length: Math.min(LISTED, values.length) }, (_, at) => digits(values[at]));
  return `(${first.join(", ")}${values.length > LISTED ? ", …" : ""})`;
}

/** A sum written out at its beginning. @param {ArrayLike<number>} terms */
function summed(terms) {
  const first = Array.from({ length: Math.min(LISTED, terms.length) }, (_, at) =>
    at ? signed(terms[at]) : digits(terms[at]),
  );
  return first.join(" ") + (terms.length > LISTED ? " + …" : "");
}

/** Where the strongest of some numbers are, by their size. @param {ArrayLike<number>} values @param {number} count */
export function strongest(values, count) {
  /** @type {number[]} */
  const best = [];
  for (let at = 0; at < values.length; at++) {
    if (!Number.isFinite(values[at])) continue;
    const size = Math.abs(values[at]);
    if (best.length === count && size <= Math.abs(values[best[count - 1]])) continue;
    const place = best.findIndex((other) => Math.abs(values[other]) < size);
    best.splice(place < 0 ? best.length : place, 0, at);
    best.length = Math.min(best.length, count);
  }
  return best;
}

/** @param {Partial<Step> & {name: string}} parts @returns {Step} */
const step = (parts) => ({ lines: [], strips: [], values: {}, ...parts });

/** @param {string} name @param {ArrayLike<number>} values @returns {Strip} */
const overDimensions = (name, values) => ({ name, values, along: "dimension", marked: -1 });

/**
 * @param {Unfolded} u
 * @param {number | null} error of the head, as the certificate has it: the largest difference from the fused kernel's output
 * @returns {Step[]} those that this weight went through
 */
export function stepsOf(u, error) {
  return [...toScore(u), ...toWeight(u), ...toOutput(u), proof(u, error)];
}

/** From the sides to the score with its bias and mask. @param {Unfolded} u @returns {Step[]} */
function toScore(u) {
  const [i, j] = [u.row, u.col];
  /** @type {Step[]} */
  const steps = [];
  if (u.q.length) steps.push(sides(u), products(u));
  if (u.q.length && (u.scale !== 1 || u.cap !== null || u.factor !== null)) {
    const lines = [`${digits(u.scale)} × ${factor(u.product)} = ${digits(u.scaled)}`];
    if (u.cap !== null)
      lines.push(`${digits(u.cap)} tanh(${digits(u.scaled)} / ${digits(u.cap)}) = ${digits(u.capped)}`);
    if (u.factor !== null) lines.push(`${digits(u.factor)} × ${factor(u.capped)} = ${digits(u.score)}`);
    lines.push(`s_{${i},${j}} = ${lines.pop()}`);
    const name = u.factor !== null ? "tempered" : u.cap !== null ? "capped" : "scale";
    steps.push(step({ name, lines, values: { size: u.q.length, cap: digits(u.cap ?? 0) } }));
  }
  if (u.bias !== null) {
    const given = u.q.length === 0;
    const lines = given
      ? [`s_{${i},${j}} = log A_{${i},${j}} = ${digits(u.bias)}`]
      : [`s_{${i},${j}} = ${digits(u.score)} ${signed(u.bias)} = ${digits(u.logit)}`];
    steps.push(step({ name: given ? "given" : "bias", lines }));
  }
  const hidden = u.scores.length - u.seen;
  const lines = u.visible ? [] : [`s_{${i},${j}} = −∞`];
  if (hidden) {
    const cut = u.bias === -Infinity;
    const name = u.visible ? "mask" : cut ? "cut" : "masked";
    steps.push(step({ name, lines, values: { seen: u.seen, of: u.scores.length, hidden } }));
  }
  return steps;
}

/** @param {Unfolded} u */
function sides(u) {
  const [q, k] = [`q_{${u.row}}`, `k_{${u.col}}`];
  const lines = [`${q} = ${listed(u.q)}`, `${k} = ${listed(u.k)}`];
  lines.push(`‖${q}‖ = ${digits(norm(u.q))}, ‖${k}‖ = ${digits(norm(u.k))}`);
  const strips = [overDimensions(q, u.q), overDimensions(k, u.k)];
  const values = { size: u.q.length, group: u.group ?? 0 };
  return step({ name: u.group === null ? "sides" : "grouped", lines, strips, values });
}

/** @param {Unfolded} u */
function products(u) {
  const [i, j] = [u.row, u.col];
  const term = u.vector ? `w_{d} tanh(q_{${i},d} + k_{${j},d})` : `q_{${i},d} k_{${j},d}`;
  const whole = u.vector ? `w · tanh(q_{${i}} + k_{${j}})` : `q_{${i}} · k_{${j}}`;
  const lines = [`${whole} = Σ_{d} ${term}`, `= ${summed(u.terms)} = ${digits(u.product)}`];
  const [first = 0] = strongest(u.terms, 1);
  const strips = [...(u.vector ? [overDimensions("w", u.vector)] : []), overDimensions(term, u.terms)];
  const values = { dimension: first, value: digits(u.terms[first] ?? 0) };
  return step({ name: u.vector ? "additive" : "products", lines, strips, values });
}

/** The row of scores, and what the softmax makes of it. @param {Unfolded} u @returns {Step[]} */
function toWeight(u) {
  const [i, j] = [u.row, u.col];
  const [s, a, l] = [`s_{${i},j}`, `A_{${i},j}`, `lse_{${i}}`];
  let most = 0;
  for (let key = 1; key < u.scores.length; key++) if (u.scores[key] > u.scores[most]) most = key;
  const row = step({
    name: u.seen ? "row" : "blind",
    lines: u.seen ? [`max_{j} ${s} = s_{${i},${most}} = ${digits(u.scores[most])}`] : [],
    strips: [{ name: s, values: u.scores, along: "key", marked: j }],
    values: { of: u.scores.length, seen: u.seen, key: most },
  });
  if (!u.seen) return [row];
  const cell = `A_{${i},${j}}`;
  const weight = String(Number(u.weight.toPrecision(DIGITS)));
  const [logit, lse] = [u.logit, Math.abs(u.lse)].map((value) => digits(value, DIGITS)); // what is left of both matters
  const lines = [`${l} = log Σ_{j} exp(${s}) = ${digits(u.lse, DIGITS)}`];
  lines.push(
    u.visible
      ? `${cell} = exp(s_{${i},${j}} − ${l}) = exp(${logit} ${u.lse < 0 ? "+" : "−"} ${lse}) = ${weight}`
      : `${cell} = exp(−∞) = 0`,
    `Σ_{j} ${a} = ${u.total.toFixed(6)}`,
  );
  const strips = [/** @type {Strip} */ ({ name: a, values: u.weights, along: "key", marked: j })];
  const values = { weight, rank: u.rank, of: u.seen, sink: `${(100 * u.sink).toFixed(1)}%` };
  return [row, step({ name: u.sink ? "sink" : "softmax", lines, strips, values })];
}

/** The value that is handed on, and the whole that it is a part of. @param {Unfolded} u @returns {Step[]} */
function toOutput(u) {
  if (!u.v.length || !u.seen) return [];
  const [i, j] = [u.row, u.col];
  const part = `A_{${i},${j}} v_{${j}}`;
  const value = step({
    name: "values",
    lines: [`${part} = ${digits(u.weight)} × ${listed(u.v)}`, `‖${part}‖ = ${digits(norm(u.part))}`],
    strips: [overDimensions(`v_{${j}}`, u.v), overDimensions(part, u.part)],
    values: { size: u.v.length },
  });
  const output = step({
    name: "output",
    lines: [`o_{${i}} = Σ_{j} A_{${i},j} v_{j} = ${listed(u.output)}`, `‖o_{${i}}‖ = ${digits(norm(u.output))}`],
    strips: [overDimensions(`o_{${i}}`, u.output)],
    values: { share: `${(100 * u.share).toFixed(1)}%`, seen: u.seen },
  });
  return [value, output];
}

/** @param {Unfolded} u @param {number | null} error */
function proof(u, error) {
  if (error === null) return step({ name: "unproven" });
  const [most] = strongest(u.output, 1);
  const size = most === undefined ? 0 : Math.abs(u.output[most]);
  const lines = [`max |Σ_{j} A_{ij} v_{j} − o_{i}| = ${digits(error)}`];
  if (size > 0) lines.push(`max_{e} |o_{${u.row},e}| = ${digits(size)}`);
  return step({ name: "proof", lines, values: { error: digits(error) } });
}
