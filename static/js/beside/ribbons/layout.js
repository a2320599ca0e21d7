/** Where the words of two sides stand, line pair under line pair, and how a ribbon runs between two. No document here. */

/**
 * @typedef {{width: number, apart: boolean}} Item a word as wide as it is drawn, and whether a blank stands before it
 * @typedef {{x: number, y: number, width: number, height: number}} Place of a unit, left and top, in pixels
 * @typedef {{places: Place[], direction: "ltr" | "rtl"}} Row
 * @typedef {{keys: Place[], queries: Place[], width: number, height: number, pairs: number}} Layout
 * @typedef {[number, number]} Range half open
 */

export const LINE = 26; // height of a line of words
const BLANK = 14; // between words, so that ribbons stand apart
const CLOSE = 5; // between what is written together: a sign, a character without spaces
const WIDER = 1.4; // than the longer of two lines alone: ribbons have room between words
const STRETCH = 48; // that a short line's blanks grow by at most
const BETWEEN = 44; // from one line pair to the next
const TALLEST = 300; // of the band between a pair
const LEAST = 112;
const SEVERAL = 128; // where there are several pairs

/** @param {Item} item @param {boolean} first of its line */
const gapBefore = ({ apart }, first) => (first ? 0 : apart ? BLANK : CLOSE);

/** The width of some items on one line. @param {Item[]} items @param {Range} range */
export function widthOf(items, [from, to]) {
  let width = 0;
  for (let at = from; at < to; at++) width += gapBefore(items[at], at === from) + items[at].width;
  return width;
}

/**
 * Lines no wider than a limit; a word that is wider has one to itself.
 *
 * @param {Item[]} items
 * @param {number} limit
 * @returns {Range[]}
 */
export function broken(items, limit) {
  /** @type {Range[]} */
  const lines = [];
  let [from, width] = [0, 0];
  items.forEach((item, at) => {
    const more = gapBefore(item, at === from) + item.width;
    if (at > from && width + more > limit) {
      lines.push([from, at]);
      [from, width] = [at, item.width];
    } else width += more;
  });
  if (items.length) lines.push([from, items.length]);
  return lines;
}

/**
 * At most so many lines, about equally long.
 *
 * @param {Item[]} items
 * @param {number} count that there is room for
 * @param {number} limit
 * @returns {Range[]}
 */
export function balanced(items, count, limit) {
  let [low, high] = [0, limit];
  while (high - low > 1) {
    const middle = (low + high) / 2;
    if (broken(items, middle).length <= count) high = middle;
    else low = middle;
  }
  return broken(items, high);
}

/**
 * Two sides of words: keys above, queries below, as many line pairs as the longer side needs.
 *
 * @param {Item[]} keys
 * @param {Item[]} queries
 * @param {{width: number, height: number, directions: {keys: "ltr" | "rtl", queries: "ltr" | "rtl"}}} room
 * @returns {Layout}
 */
export function layOut(keys, queries, { width, height, directions }) {
  const pairs = Math.max(1, broken(keys, width).length, broken(queries, width).length);
  const band = pairs > 1 ? SEVERAL : Math.min(Math.max(height - 2 * LINE, LEAST), TALLEST);
  const above = balanced(keys, pairs, width);
  const below = balanced(queries, pairs, width);
  const pitch = 2 * LINE + band + BETWEEN;
  const least = pairs > 1 ? 0 : Math.max(...[keys, queries].map((items) => widthOf(items, [0, items.length])));
  /** @param {Item[]} items @param {Range[]} lines @param {"ltr" | "rtl"} direction @param {number} down */
  const place = (items, lines, direction, down) =>
    lines.flatMap((line, pair) => placed(items, line, { width, direction, y: pair * pitch + down, least }));
  return {
    keys: place(keys, above, directions.keys, 0),
    queries: place(queries, below, directions.queries, LINE + band),
    width,
    height: pairs * pitch - BETWEEN,
    pairs,
  };
}

/**
 * The words of a line. One alone is in the middle, and as wide as its counterpart, so that ribbons run straight down.
 *
 * @param {Item[]} items
 * @param {Range} range
 * @param {{width: number, direction: "ltr" | "rtl", y: number, least: number}} room `least`: the width to be stretched to;
 *   0: the line is one of several
 * @returns {Place[]}
 */
function placed(items, [from, to], { width, direction, y, least }) {
  const own = widthOf(items, [from, to]);
  const blanks = items.slice(from + 1, to).filter(({ apart }) => apart).length;
  const wish = Math.min(least * WIDER, width) - own;
  const more = least && blanks ? Math.min(Math.max(wish / blanks, 0), STRETCH) : 0;
  let x = least ? Math.max(0, (width - own - more * blanks) / 2) : 0;
  /** @type {Place[]} */
  const places = [];
  for (let at = from; at < to; at++) {
    const item = items[at];
    x += gapBefore(item, at === from) + (at > from && item.apart ? more : 0);
    const left = direction === "rtl" ? width - x - item.width : x;
    places.push({ x: left, y, width: item.width, height: LINE });
    x += item.width;
  }
  return places;
}

/**
 * Patches of a picture, drawn as large as its room allows, in the middle.
 *
 * @param {[number, number, number, number][]} boxes in pixels of the picture
 * @param {[number, number]} size of it
 * @param {{width: number, height: number, y: number}} room
 * @returns {Place[]}
 */
export function patches(boxes, [wide, high], { width, height, y }) {
  const scale = Math.min(width / wide, height / high);
  const left = (width - wide * scale) / 2;
  return boxes.map(([x0, y0, x1, y1]) => ({
    x: left + x0 * scale,
    y: y + y0 * scale,
    width: (x1 - x0) * scale,
    height: (y1 - y0) * scale,
  }));
}

/**
 * Stretches of a recording on an axis of time.
 *
 * @param {[number, number][]} seconds
 * @param {number} duration
 * @param {{width: number, height: number, y: number}} room
 * @returns {Place[]}
 */
export function stretches(seconds, duration, { width, height, y }) {
  const scale = width / (duration || 1);
  return seconds.map(([from, to]) => ({
    x: from * scale,
    y,
    width: (Math.min(to, duration) - from) * scale,
    height,
  }));
}

/**
 * A ribbon from a query to a key as the `d` of a path: straight out of the one, straight into the other.
 *
 * @param {Place} query
 * @param {Place} key
 * @param {number} [aside] pixels, so that several hues lie beside each other
 * @param {boolean} [inside] whether it ends in the key's middle: a patch
 */
export function curve(query, key, aside = 0, inside = false) {
  const up = key.y < query.y;
  const [x0, y0] = [query.x + query.width / 2 + aside, up ? query.y : query.y + query.height];
  const x1 = key.x + key.width / 2 + aside;
  const y1 = inside ? key.y + key.height / 2 : up ? key.y + key.height : key.y;
  const bend = (y1 - y0) / 2;
  const points = [x0, y0, x0, y0 + bend, x1, y1 - bend, x1, y1].map((value) => Math.round(value * 10) / 10);
  const [a, b, ...rest] = points;
  return `M${a} ${b}C${rest.join(" ")}`;
}

/**
 * Words on as many lines as they need, each in the middle: beside what is no text.
 *
 * @param {Item[]} items
 * @param {{width: number, y: number, direction: "ltr" | "rtl"}} room
 * @returns {{places: Place[], height: number}}
 */
export function stacked(items, { width, y, direction }) {
  const lines = broken(items, width);
  const places = lines.flatMap((line, at) =>
    placed(items, line, { width, direction, y: y + at * LINE, least: widthOf(items, line) }),
  );
  return { places, height: lines.length * LINE };
}
