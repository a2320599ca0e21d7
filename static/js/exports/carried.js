/** A place in a trace that stands in its page, so that the file opens where it was saved, with its pins. */

const ID = "place"; // of the element that holds it: data, which no policy has to let through

/**
 * @param {string} page the trace's, as the service makes it
 * @param {string} place a link's fragment, percent-encoded, so without any sign that HTML knows but &
 */
export function carrying(page, place) {
  const at = page.lastIndexOf("<script");
  return `${page.slice(0, at)}<script type="application/octet-stream" id="${ID}">${place}</script>\n${page.slice(at)}`;
}

/** What the page carries; empty where it carries none. */
export function carriedPlace() {
  return document.getElementById(ID)?.textContent?.trim() ?? "";
}
