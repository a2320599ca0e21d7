/** The bias of a pass that was edited: cells that were cut, rows whose weights were given, and the layer's own elsewhere. */

/** @typedef {import("./tensors.js").TensorFile} TensorFile */
/** @typedef {import("./evaluate.js").Term} Term */

/**
 * @param {Term | null} base the layer's own
 * @param {TensorFile} file
 * @param {string} prefix of the layer's tensors
 * @returns {Term}
 */
export function editedTerm(base, file, prefix) {
  const factors = file.floats(`${prefix}factors`);
  const cuts = file.integers(`${prefix}cuts`);
  const places = file.integers(`${prefix}places`);
  const given = file.floats(`${prefix}given`);
  const [, keys] = file.shape(`${prefix}given`);
  /** @type {Map<string, number>} */
  const rows = new Map();
  for (let at = 0; at < places.length; at += 2) rows.set(`${places[at]},${places[at + 1]}`, at / 2);
  /** @type {Term} */
  const own = (head, query, key) => (base ? factors[head] * base(head, query, key) : 0);
  return (head, query, key) => {
    for (let at = 0; at < cuts.length; at += 5) {
      if (cuts[at] >= 0 && cuts[at] !== head) continue;
      const [start, stop, first, last] = cuts.subarray(at + 1, at + 5);
      if (query >= start && query < stop && key >= first && key < last) return -Infinity;
    }
    const place = rows.size ? rows.get(`${head},${query}`) : undefined;
    return place === undefined ? own(head, query, key) : given[place * keys + key];
  };
}
