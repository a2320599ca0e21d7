/** Small helpers around the document. */

/**
 * The elements of index.html that are more than an HTMLElement, by id.
 *
 * @typedef {object} Elements
 * @property {HTMLSelectElement} model
 * @property {HTMLSelectElement} examples
 * @property {HTMLSelectElement} sort
 * @property {HTMLSelectElement} palette
 * @property {HTMLSelectElement} find-side
 * @property {HTMLInputElement} find
 * @property {HTMLInputElement} file
 * @property {HTMLInputElement} key-value
 * @property {HTMLTextAreaElement} input
 * @property {HTMLTextAreaElement} question
 * @property {HTMLTextAreaElement} context
 * @property {HTMLTextAreaElement} source
 * @property {HTMLTextAreaElement} sentences
 * @property {HTMLTextAreaElement} labels
 * @property {HTMLDetailsElement} options
 * @property {HTMLDetailsElement} export
 * @property {HTMLDialogElement} help
 * @property {HTMLDialogElement} key-dialog
 * @property {HTMLImageElement} thumbnail
 * @property {HTMLScriptElement} plotly
 * @property {HTMLCanvasElement} atlas
 * @property {HTMLCanvasElement} cells
 * @property {HTMLCanvasElement} axis-labels
 * @property {HTMLCanvasElement} legend
 * @property {HTMLCanvasElement} minimap
 * @property {HTMLCanvasElement} numbers
 * @property {HTMLCanvasElement} profile
 * @property {HTMLCanvasElement} tiles
 * @property {HTMLButtonElement} find-back
 * @property {HTMLButtonElement} find-on
 * @property {HTMLButtonElement} trail-back
 * @property {HTMLButtonElement} trail-on
 */

/**
 * An element that the page has by construction.
 *
 * @template {string} Id
 * @param {Id} id
 * @returns {Id extends keyof Elements ? Elements[Id] : HTMLElement}
 */
export function byId(id) {
  return /** @type {Id extends keyof Elements ? Elements[Id] : HTMLElement} */ (document.getElementById(id));
}

/**
 * What an element is made with: `class`, `data`, `on`, attributes by their names where these have a dash, else properties.
 *
 * @typedef {Record<string, unknown> & {
 *   class?: string,
 *   data?: Record<string, string | number>,
 *   on?: {[Name in keyof HTMLElementEventMap]?: (event: HTMLElementEventMap[Name]) => void},
 * }} Properties
 */

/**
 * An element in one expression. Text goes in as text, never as markup.
 *
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Properties} [properties]
 * @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function element(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "class") node.className = String(value);
    else if (name === "data") Object.assign(node.dataset, value);
    else if (name === "on")
      for (const [event, handler] of Object.entries(properties.on ?? {}))
        node.addEventListener(event, /** @type {EventListener} */ (handler));
    else if (name.includes("-") || name === "role" || name === "for") node.setAttribute(name, String(value));
    else Object.assign(node, { [name]: value });
  }
  node.append(...children);
  return node;
}

/** Writes a text where there is another one: to write the same costs a layout. @param {Element} node @param {string} text */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** The context of a canvas, which browsers give unless another kind was taken. @param {HTMLCanvasElement} canvas */
export function contextOf(canvas) {
  return /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
}

/**
 * A canvas sized for the screen's pixels, and its context in CSS pixels.
 *
 * @param {HTMLCanvasElement} canvas
 * @param {number} width
 * @param {number} height
 */
export function sharpContext(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  canvas.style.width = `${width}px`; // through the object model, which the policy on inline styles allows
  canvas.style.height = `${height}px`;
  const context = contextOf(canvas);
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  return context;
}

const DARK = window.matchMedia("(prefers-color-scheme: dark)");
/** @type {Map<string, string>} by theme and name: asking the browser costs it all styles that have changed meanwhile */
const colours = new Map();

/** A colour of the style sheet, for what is drawn rather than styled. @param {string} name */
export function cssColour(name) {
  const root = document.documentElement;
  const place = `${root.dataset.theme ?? DARK.matches} ${name}`;
  const colour = colours.get(place) ?? getComputedStyle(root).getPropertyValue(name).trim();
  if (colour) colours.set(place, colour); // before the sheet is here there is none
  return colour;
}

/**
 * Puts an element over a box; none where there is no box.
 *
 * @param {HTMLElement} node
 * @param {{left: number, top: number, width: number, height: number} | null} box in CSS pixels
 */
export function placeOver(node, box) {
  node.hidden = box === null;
  if (!box) return;
  const { left, top, width, height } = box;
  Object.assign(node.style, { left: `${left}px`, top: `${top}px`, width: `${width}px`, height: `${height}px` });
}

/**
 * As `placeOver`, for what stands at the map's edge while a map grows: moved by a transform, which lays nothing out anew.
 *
 * @param {HTMLElement} node
 * @param {{left: number, top: number, width: number, height: number} | null} box
 */
export function slideOver(node, box) {
  placeOver(node, box && { ...box, left: 0, top: 0 });
  if (box) node.style.translate = `${Math.round(box.left)}px ${Math.round(box.top)}px`;
}

/** Draws at most once a frame, however often it is asked to. @param {() => void} draw */
export function onceAFrame(draw) {
  let frame = 0;
  return () => {
    frame ||= requestAnimationFrame(() => {
      frame = 0;
      draw();
    });
  };
}

/**
 * Says on the page whether there is a map: "writing" while it grows, "ready", or none.
 *
 * @param {"writing" | "ready" | null} state
 */
export function setMapState(state) {
  if (!state) {
    delete byId("map").dataset.state;
    delete document.body.dataset.map; // for the styles: to look for the map costs them more
  } else byId("map").dataset.state = document.body.dataset.map = state;
}

const FETCHED = 60_000; // milliseconds after which the browser has taken a file that was made in the page

/** Saves a file that was made in the page. @param {Blob} blob @param {string} name */
export function save(blob, name) {
  const url = URL.createObjectURL(blob);
  element("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), FETCHED);
}
