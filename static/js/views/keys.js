/** Keyboard: one table of what each key does, which the help overlay prints too. */

/** @type {Record<string, string[]>} name of the action, which is its text's too -> keys as `event.key` has them */
export const KEYS = {
  keyRun: ["Ctrl+Enter"],
  keyInput: ["/"],
  keyLive: ["Shift+v"],
  keyFile: ["f"],
  keyOptions: ["o"],
  keyExample: ["x"],
  keyModel: ["m"],
  keyCard: ["Shift+i"],
  keyHead: ["ArrowLeft", "ArrowRight"],
  keyLayer: ["ArrowUp", "ArrowDown"],
  keySite: ["[", "]"],
  keyOver: ["h"],
  keyMeasure: ["Shift+m"],
  keyEffects: ["Shift+e"],
  keySort: ["s"],
  keyFind: ["g"],
  keyCell: ["Shift+ArrowLeft", "Shift+ArrowRight", "Shift+ArrowUp", "Shift+ArrowDown"],
  keyTurn: ["r"],
  keyView: ["b"],
  keyRibbons: ["y"],
  keyPin: ["j"],
  keyAlignment: ["Shift+a"],
  keyRobustness: ["Shift+r"],
  keyFaithfulness: ["Shift+f"],
  keyCorpus: ["Shift+h"],
  keyDerive: ["d"],
  keyStep: ["q", "w"],
  keyAllSteps: ["u"],
  keyPicture: ["i"],
  keyPlay: ["a"],
  keySilence: ["Shift+x"],
  keyCut: ["Shift+d"],
  keyUndo: ["Shift+u"],
  keyStrongest: ["Enter"],
  keyZoom: ["+", "-"],
  keyTrail: [",", "."],
  keyReset: ["0"],
  keyScale: ["l"],
  keyPalette: ["c"],
  keyReduce: ["v"],
  keyExport: ["e"],
  keyShare: ["p"],
  keyPython: ["Shift+c"],
  keyNote: ["Shift+l"],
  keyPresent: ["z"],
  keyStepOn: ["Shift+n"],
  keyStepBack: ["Shift+p"],
  keyPlayWriting: ["Shift+w"],
  keyStop: ["Shift+s"],
  keyTour: ["Shift+t"],
  keyTheme: ["t"],
  keyLanguage: ["n"],
  keyAccess: ["k"],
  keyHelp: ["?"],
  keyClose: ["Escape"],
};

/**
 * @param {Record<string, (key: string) => void>} actions one for each name of KEYS
 */
export function listen(actions) {
  document.addEventListener("keydown", (event) => {
    if (document.querySelector("dialog[open]")) return; // what stands over the page has its own keys
    const target = /** @type {HTMLElement} */ (event.target);
    const unless = event.key.startsWith("Arrow") ? "[type=radio]" : "textarea"; // arrows choose among radio buttons
    const typing = target.matches(`textarea, select, input:not([type=file], [type=checkbox], [type=radio]), ${unless}`);
    if ((event.ctrlKey || event.metaKey) && event.key === "Enter") {
      event.preventDefault();
      actions.keyRun("Ctrl+Enter");
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (event.key === "Escape") return actions.keyClose("Escape");
    if (typing || event.defaultPrevented) return;
    // Enter and arrows belong to a focused control where it has a use for them; it says so by preventing the default.
    if (event.key === "Enter" && target.matches("button, summary, a, [role=option]")) return;
    const shifted = event.shiftKey && /^(Arrow.*|[a-z])$/i.test(event.key); // of signs, Shift is a part of the sign
    const name = (shifted ? "Shift+" : "") + (event.key.length === 1 ? event.key.toLowerCase() : event.key);
    const action = Object.keys(KEYS).find((key) => KEYS[key].includes(name));
    if (!action) return;
    event.preventDefault();
    actions[action](name);
  });
}

/** @type {Record<string, string>} */
const SIGNS = { ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓", Escape: "Esc", Shift: "⇧" };

/** @param {string[]} keys @returns {string[]} what the help prints as key caps; a modifier that all share stands once */
export function keyCaps(keys) {
  const parts = keys.flatMap((key) => (key === "+" ? [key] : key.split("+")));
  return [...new Set(parts)].map((part) => SIGNS[part] ?? (part.length === 1 ? part.toUpperCase() : part));
}
