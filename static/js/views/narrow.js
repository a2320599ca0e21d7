/** How much room the page has, as narrow.css divides it. */

export const FOLDED = window.matchMedia("(max-width: 720px)"); // one column
export const NARROW = window.matchMedia("(max-width: 1100px)"); // the kept cell in a drawer
