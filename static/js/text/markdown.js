/** Markdown as model cards have it: headings, lists, tables, code, emphasis. Text goes in as text; links lead nowhere. */

import { element } from "../views/dom.js";

const BLOCK = /^(#{1,6})\s+(.*)$/;
const ITEM = /^\s*(?:[-*+]|\d+[.)])\s+(.*)$/;
const RULE = /^\s*([-*_])(?:\s*\1){2,}\s*$/;
const BARS = /^\s*\|?\s*:?-{3,}:?\s*(?:\|\s*:?-{3,}:?\s*)*\|?\s*$/;
const FENCE = /^\s*(```|~~~)/;
// Code, strong, emphasis, a link's or picture's words.
const INLINE = /`([^`]+)`|\*\*([^*]+)\*\*|(?<![\w*])[*_]([^*_\s](?:[^*_]*[^*_\s])?)[*_](?![\w*])|!?\[([^\]]*)\]\([^)]*\)/g;

/** @param {string} text @returns {(Node | string)[]} */
function inline(text) {
  /** @type {(Node | string)[]} */
  const parts = [];
  let last = 0;
  for (const match of text.matchAll(INLINE)) {
    const [whole, code, strong, stressed, words] = match;
    parts.push(text.slice(last, match.index));
    last = match.index + whole.length;
    if (code !== undefined) parts.push(element("code", {}, code));
    else if (strong !== undefined) parts.push(element("strong", {}, ...inline(strong)));
    else if (stressed !== undefined) parts.push(element("em", {}, stressed));
    else parts.push(words ?? "");
  }
  return [...parts, text.slice(last)];
}

/** @param {string} line of a table */
const cells = (line) =>
  line
    .trim()
    .replace(/^\||\|$/g, "")
    .split("|")
    .map((cell) => cell.trim());

/** @param {string[]} lines the head, a line of bars, the body */
function table([head, , ...body]) {
  const names = cells(head);
  /** @param {"th" | "td"} tag @param {string[]} row */
  const line = (tag, row) => element("tr", {}, ...row.map((cell) => element(tag, {}, ...inline(cell))));
  const titles = names.some(Boolean) ? [element("thead", {}, line("th", names))] : [];
  return element("div", { class: "study-scroll" }, element("table", { class: "tabular" }, ...titles, element("tbody", {}, ...body.map((row) => line("td", cells(row))))));
}

/** @param {string} text @returns {Node[]} */
export function rendered(text) {
  const lines = text.split(/\r?\n/);
  /** @type {Node[]} */
  const nodes = [];
  /** Lines from here on for as long as they are of a kind. @param {number} from @param {(line: string) => boolean} same */
  const run = (from, same) => {
    let to = from;
    while (to < lines.length && same(lines[to])) to += 1;
    return lines.slice(from, to);
  };
  for (let at = 0; at < lines.length; ) {
    const line = lines[at];
    const [, signs, title] = BLOCK.exec(line) ?? [];
    if (!line.trim() || RULE.test(line)) at += 1;
    else if (signs) {
      nodes.push(element(signs.length === 1 ? "h3" : "h4", {}, ...inline(title)));
      at += 1;
    } else if (FENCE.test(line)) {
      const code = run(at + 1, (next) => !FENCE.test(next));
      nodes.push(element("pre", {}, code.join("\n")));
      at += code.length + 2;
    } else if (line.includes("|") && BARS.test(lines[at + 1] ?? "")) {
      const rows = run(at, (next) => next.includes("|"));
      nodes.push(table(rows));
      at += rows.length;
    } else if (ITEM.test(line)) {
      const part = run(at, (next) => next.trim() !== "" && !BLOCK.test(next));
      /** @type {string[]} */
      const items = [];
      for (const next of part) {
        const [, item] = ITEM.exec(next) ?? [];
        if (item !== undefined) items.push(item);
        else items.push(`${items.pop()} ${next.trim()}`);
      }
      nodes.push(element("ul", {}, ...items.map((item) => element("li", {}, ...inline(item)))));
      at += part.length;
    } else {
      const part = run(at, (next) => next.trim() !== "" && !BLOCK.test(next) && !ITEM.test(next) && !FENCE.test(next));
      nodes.push(element("p", {}, ...inline(part.join(" "))));
      at += part.length;
    }
  }
  return nodes;
}
