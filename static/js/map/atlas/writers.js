/** Files made in the page of what is in view. No document here. */

import { exact } from "../cells.js";

/** @typedef {import("./codes.js").Blocks} Blocks */

/**
 * NumPy's format, version 1.0, little-endian float32.
 *
 * @param {Float32Array} data row-major
 * @param {[number, number]} shape
 * @returns {Uint8Array<ArrayBuffer>}
 */
export function toNpy(data, shape) {
  const text = `{'descr': '<f4', 'fortran_order': False, 'shape': (${shape.join(", ")}), }`;
  const length = Math.ceil((10 + text.length + 1) / 64) * 64 - 10; // the format's own alignment
  const file = new Uint8Array(10 + length + 4 * data.length);
  file.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, length & 255, length >> 8]);
  file.set(new TextEncoder().encode(`${text.padEnd(length - 1)}\n`), 10);
  const view = new DataView(file.buffer);
  data.forEach((value, index) => view.setFloat32(10 + length + 4 * index, value, true));
  return file;
}

/** @param {string} text */
const quoted = (text) => `"${text.replaceAll('"', '""')}"`;

/**
 * A map as a table: a line a query, a column a key, each named by its token.
 *
 * @param {Float32Array} weights row-major
 * @param {string[]} queries
 * @param {string[]} keys
 */
export function toTable(weights, queries, keys) {
  const lines = queries.map((label, row) => {
    const part = weights.subarray(row * keys.length, (row + 1) * keys.length);
    return [quoted(label), ...Array.from(part, exact)];
  });
  return [["", ...keys.map(quoted)], ...lines].map((line) => line.join(",")).join("\r\n") + "\r\n";
}

/**
 * @param {Blocks} blocks
 * @param {number} n cells a side of a block
 * @param {[number, number]} shape of the map
 * @param {string} note for the corner: what the numbers are
 */
export function toCsv({ rows, cols, row, col, weights }, n, shape, note) {
  /** @param {number} index @param {number} count */
  const name = (index, count) => `${index * n}:${Math.min((index + 1) * n, count)}`;
  const head = Array.from({ length: cols }, (_, j) => name(col + j, shape[1]));
  const lines = Array.from({ length: rows }, (_, i) => {
    const values = Array.from(weights.subarray(i * cols, (i + 1) * cols));
    return [name(row + i, shape[0]), ...values.map((value) => (Number.isNaN(value) ? "" : value.toPrecision(3)))];
  });
  return [[quoted(note), ...head], ...lines].map((line) => line.join(",")).join("\r\n") + "\r\n";
}

/** @param {string} text */
const escaped = (text) => text.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);

/** A page of its own with a drawing in it, which says itself what it shows. @param {string} title @param {string} svg */
export function toHtml(title, svg) {
  const dark = "@media(prefers-color-scheme:dark){body{background:#161719}}";
  const style = `body{margin:24px}svg{max-width:100%;height:auto}${dark}`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${escaped(title)}</title>
<style>${style}</style>
</head>
<body>
${svg}</body>
</html>
`;
}
