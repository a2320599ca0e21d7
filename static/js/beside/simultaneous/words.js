/** The words of an output that is being committed, each with the decision that it was judged by. */

/**
 * @typedef {object} Decision on a token, as POST /v1/simultaneous has it
 * @property {string} token
 * @property {number} id
 * @property {[number, number]} span in the draft, in code points; empty: an end token
 * @property {number} word of the output
 * @property {number | null} position of the source word that it looks at; null: the end mark
 * @property {number | null} weight
 * @property {boolean} committed
 * @property {"seen" | "late" | "due" | "early" | "word" | "end" | "complete"} why
 *
 * @typedef {object} Answer
 * @property {number[]} committed
 * @property {string} text
 * @property {string} draft
 * @property {boolean} finished
 * @property {{text: string, span: [number, number]}[]} source
 * @property {Decision[]} decisions
 *
 * @typedef {object} TargetWord
 * @property {string} text
 * @property {string} before the blank before it
 * @property {boolean} committed
 * @property {Decision} decision of the token that decided on it
 */

/** @param {Decision[]} decisions on all tokens of a draft @param {string} draft @returns {TargetWord[]} */
export function wordsOf(decisions, draft) {
  const points = [...draft];
  /** @type {Map<number, Decision[]>} */
  const groups = new Map();
  for (const decision of decisions) {
    if (decision.span[0] === decision.span[1]) continue;
    groups.set(decision.word, [...(groups.get(decision.word) ?? []), decision]);
  }
  let last = 0;
  return [...groups.values()].map((tokens) => {
    const [start, stop] = [tokens[0].span[0], tokens[tokens.length - 1].span[1]];
    const before = points.slice(last, start).join("");
    last = stop;
    // What held it back says why; of a word that is committed its first token does.
    const decision = tokens.find(({ committed, why }) => !committed && why !== "word") ?? tokens[0];
    return { text: points.slice(start, stop).join(""), before, committed: decision.committed, decision };
  });
}
