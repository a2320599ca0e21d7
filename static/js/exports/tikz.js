/** A picture for LaTeX: a pgfplots axis with the cells as a matrix plot, their weights beside them. No document here. */

import { wideAs } from "../text/labels.js";
import { labelsOf } from "./sheet.js";

/** @typedef {import("./picture.js").Picture} Picture */

export const MOST_CELLS = 10_000; // TeX takes seconds for as many, and runs out of memory over more
const WIDEST = 12; // centimetres

/** @type {Record<string, string>} */
const SIGNS = { "\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}", "<": "\\textless{}", ">": "\\textgreater{}", "|": "\\textbar{}", "·": "\\textperiodcentered{}", "≤": "$\\le$", "×": "$\\times$" };

/** People's text as TeX sets it. @param {string} text */
export const set = (text) =>
  text.replace(/[\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, "").replace(/[\\~^<>|·≤×]|[#$%&_{}]/g, (sign) => SIGNS[sign] ?? `\\${sign}`);

/** A comment that stays one. @param {string} text */
const comment = (text) => `% ${text.replace(/\s+/g, " ")}`;

/** @param {Picture} picture @returns {string} */
export function tikzOf(picture) {
  const { rows, cols, n, row, col, height, width, values, place, stops, words, size } = picture;
  const scale = Math.min(WIDEST, 1.1 * width) / size.width;
  const [wide, high] = [size.width * scale, size.height * scale].map((side) => side.toFixed(2));
  /** @param {number} block @param {number} start */
  const middle = (block, start) => start + block * n + (n - 1) / 2;
  /** @param {string} side @param {import("../types.js").Axis} labelled @param {import("../types.js").Range} range @param {number} pixels */
  const axis = (side, labelled, range, pixels) => {
    const labels = labelsOf(labelled, range, pixels, picture.long, side === "x" ? 56 : 28);
    const turned = side === "x" && labels.some(({ text }) => wideAs(text) > 2);
    return [
      `  ${side}tick={${labels.map(({ index }) => index).join(",")}},`,
      `  ${side}ticklabels={${labels.map(({ text }) => `{${set(text)}}`).join(",")}},`,
      ...(turned ? ["  x tick label style={rotate=90, anchor=west},"] : []),
    ];
  };
  const ramp = stops.map((rgb) => `rgb255=(${rgb.join(",")})`).join(" ");
  /** @type {string[]} */
  const lines = [];
  /** @type {string[]} */
  const holes = [];
  for (let i = 0; i < height; i++) {
    let from = -1;
    for (let j = 0; j <= width; j++) {
      const value = j < width ? values[i * width + j] : 0;
      const clear = j < width && Number.isNaN(value);
      if (j < width)
        lines.push(`${middle(j, col)} ${middle(i, row)} ${clear ? 0 : place(value).toFixed(4)} ${clear ? "nan" : Number(value.toPrecision(6))}`);
      if (clear && from < 0) from = j;
      if (clear || from < 0) continue;
      const [left, right] = [col + from * n - 0.5, col + j * n - 0.5];
      holes.push(`  \\heedmapmasked{${left}}{${row + i * n - 0.5}}{${right}}{${row + (i + 1) * n - 0.5}}`);
      from = -1;
    }
  }
  return [
    comment(words.title),
    ...words.facts.map(comment),
    "% \\usepackage{pgfplots} \\pgfplotsset{compat=1.16} \\usetikzlibrary{patterns}",
    "% Labels beyond Latin letters need XeLaTeX or LuaLaTeX, and a font that has them.",
    "\\begin{tikzpicture}",
    ...(holes.length
      ? [
          "\\newcommand{\\heedmapmasked}[4]{%",
          "  \\fill[white] (axis cs:#1,#2) rectangle (axis cs:#3,#4);%",
          "  \\fill[pattern=north east lines, pattern color=gray] (axis cs:#1,#2) rectangle (axis cs:#3,#4);}",
        ]
      : []),
    "\\begin{axis}[",
    `  scale only axis, width=${wide}cm, height=${high}cm, enlargelimits=false, axis on top, y dir=reverse,`,
    `  xmin=${cols[0] - 0.5}, xmax=${cols[1] - 0.5}, ymin=${rows[0] - 0.5}, ymax=${rows[1] - 0.5},`,
    "  tick style={draw=none}, xticklabel pos=upper, ticklabel style={font=\\ttfamily\\footnotesize},",
    ...axis("x", picture.keys, cols, size.width),
    ...axis("y", picture.queries, rows, size.height),
    `  xlabel={${set(words.keys)}}, ylabel={${set(words.queries)}}, title={${set(words.title)}},`,
    `  colormap={heedmap}{${ramp}}, point meta min=0, point meta max=1,`,
    `  colorbar, colorbar style={ytick={0,1}, yticklabels={{${set(words.low)}},{${set(words.high)}}}},`,
    "]",
    `\\addplot[matrix plot*, mesh/cols=${width}, point meta=explicit] table[x=key, y=query, meta=colour, row sep=newline] {`,
    "key query colour weight",
    ...lines,
    "};",
    ...holes,
    "\\end{axis}",
    "\\end{tikzpicture}",
    "",
  ].join("\n");
}
