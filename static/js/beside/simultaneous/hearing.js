/** What of a text that is being typed has come in, sentence by sentence. */

const CLOSING = /[.!?…。！？]["'»«“”’)\]]*$/u;
const OPEN = /^(?:\d+\.|\p{L}\.)$/u; // an ordinal number, or a letter that stands for a word

/**
 * @typedef {object} Heard
 * @property {string} text the words of the last sentence, as far as they are typed to their end
 * @property {number} start where in all that was typed it begins
 * @property {boolean} final whether it is complete
 */

/** The last sentence of a text whose last word may not be whole yet. @param {string} typed @param {boolean} [all] it is @returns {Heard} */
export function heard(typed, all = false) {
  let start = 0;
  let stop = 0;
  let final = false;
  for (const match of typed.matchAll(/\S+/gu)) {
    const [word] = match;
    const end = match.index + word.length;
    const closes = CLOSING.test(word) && !OPEN.test(word);
    if (end === typed.length && !all && !closes) break; // somebody is still at it
    if (final || stop === 0) start = match.index;
    stop = end;
    final = closes;
  }
  return { text: typed.slice(start, stop), start, final: stop > 0 && (final || all) };
}
