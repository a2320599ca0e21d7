/** The page's colours as files have them, so that a picture for paper can be made while the page is dark. */

/** @typedef {{page: string, text: string, quiet: string, hatch: string, line: string, accent: string}} Inks */

/** @type {Record<import("../types.js").Theme, Inks>} as css/base.css has them */
export const INKS = {
  light: { page: "#ffffff", text: "#1b1c1e", quiet: "#5c6066", hatch: "#8f908c", line: "#dcdcd8", accent: "#c2410c" },
  dark: { page: "#161719", text: "#e8e8e4", quiet: "#a2a6ad", hatch: "#6a6e75", line: "#37393e", accent: "#ff8f5a" },
};
