/** Masks as a trace file describes them: which keys a query may see. */

import { BadFile } from "./bad_file.js";

/** @typedef {import("./tensors.js").Tensors} Tensors */
/** @typedef {(query: number, key: number) => boolean} Predicate */
/** @typedef {{kind: string, offset?: number, size?: number, lengths?: number[], masks?: Mask[], shape?: number[]}} Mask */

/** @typedef {{lowest: number, highest: number, end: number}} Stretch of keys: from query + lowest to below query + highest, and below end */

const FAR = 2 ** 30; // farther than any key

/**
 * A mask that leaves each query one stretch of keys, as most do, as that stretch.
 *
 * @param {Mask} mask
 * @returns {Stretch | null} null where it is of another kind
 */
export function stretchOf({ kind, offset = 0, size = 0, lengths, masks }) {
  switch (kind) {
    case "full":
      return within(-FAR, FAR, FAR);
    case "causal":
      return within(-FAR, offset + 1, FAR);
    case "sliding_window":
      return within(offset - size + 1, offset + size, FAR);
    case "padding":
      return within(-FAR, FAR, lengths?.[0] ?? 0);
    case "both": {
      const [first, second] = (masks ?? []).map(stretchOf);
      if (!first || !second) return null;
      const [lowest, highest] = [Math.max(first.lowest, second.lowest), Math.min(first.highest, second.highest)];
      return within(lowest, highest, Math.min(first.end, second.end));
    }
    default:
      return null;
  }
}

/** @param {number} lowest @param {number} highest @param {number} end @returns {Stretch} in numbers of 32 bits, with room to add a query */
function within(lowest, highest, end) {
  const [low, high, stop] = [lowest, highest, end].map((bound) => Math.max(-FAR, Math.min(bound, FAR)));
  return { lowest: low, highest: high, end: stop };
}

/**
 * @param {Mask} mask
 * @param {Tensors} file
 * @param {string} prefix of the layer's tensors
 * @returns {Predicate | null} null where everything is visible
 * @throws {BadFile} it is of a kind that is not known here
 */
export function predicateOf(mask, file, prefix) {
  const { offset = 0, size = 0 } = mask;
  switch (mask.kind) {
    case "full":
      return null;
    case "causal":
      return (query, key) => key <= query + offset;
    case "sliding_window":
      return (query, key) => Math.abs(query + offset - key) < size;
    case "padding": {
      const [length] = mask.lengths ?? [];
      return (_, key) => key < length;
    }
    case "both": {
      const [first, second] = (mask.masks ?? []).map((part) => predicateOf(part, file, prefix));
      if (!first || !second) return first ?? second;
      return (query, key) => first(query, key) && second(query, key);
    }
    case "blocks": {
      const numbers = file.integers(`${prefix}blocks`);
      return (query, key) => numbers[query] === numbers[key];
    }
    case "given": {
      const bits = file.integers(`${prefix}visible`);
      const [, keys] = mask.shape ?? [];
      return (query, key) => {
        const cell = query * keys + key;
        return ((bits[cell >> 3] >> (7 - (cell & 7))) & 1) === 1;
      };
    }
    default:
      throw new BadFile("badKind", { place: prefix.slice(0, -1), kind: mask.kind });
  }
}
