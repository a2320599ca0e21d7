/** Which words of two texts differ. No document here. */

const MOST = 1 << 20; // cells of the table of common subsequences: of longer texts all but their common ends differ

/** A text's words, each with the blanks before it; scripts without blanks by the letter. @param {string} text @returns {string[]} */
export const wordsIn = (text) => text.match(/\s*(?:[\u2e80-\uffdf]|[^\s\u2e80-\uffdf]+)/g) ?? [];

/**
 * The words of two texts, and which of them the other has not: all but a longest common subsequence.
 *
 * @param {string} before
 * @param {string} after
 * @returns {{before: [string, boolean][], after: [string, boolean][]}} true: the word is changed
 */
export function changes(before, after) {
  const [one, other] = [wordsIn(before), wordsIn(after)];
  /** @param {string} word */
  const bare = (word) => word.trim();
  const [a, b] = [one.map(bare), other.map(bare)];
  const width = b.length + 1;
  const [first, second] = [a.map(() => true), b.map(() => true)];
  if (a.length * b.length <= MOST) {
    const table = new Int32Array((a.length + 1) * width);
    for (let i = a.length - 1; i >= 0; i--)
      for (let j = b.length - 1; j >= 0; j--)
        table[i * width + j] =
          a[i] === b[j]
            ? table[(i + 1) * width + j + 1] + 1
            : Math.max(table[(i + 1) * width + j], table[i * width + j + 1]);
    let [i, j] = [0, 0];
    while (i < a.length && j < b.length) {
      if (a[i] === b[j]) first[i++] = second[j++] = false;
      else if (table[(i + 1) * width + j] >= table[i * width + j + 1]) i++;
      else j++;
    }
  } else for (let at = 0; at < Math.min(a.length, b.length) && a[at] === b[at]; at++) first[at] = second[at] = false;
  return { before: one.map((word, at) => [word, first[at]]), after: other.map((word, at) => [word, second[at]]) };
}
