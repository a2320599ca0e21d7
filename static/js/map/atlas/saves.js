/** Of a long map the whole head is offered only in formats that one answer holds. */

import { byId } from "../../views/dom.js";

/** @typedef {import("./atlas.js").Atlas} Atlas */

/** @type {Record<string, number>} */
const BYTES = { json: 16, csv: 16, npy: 4, png: 1, html: 16 }; // a cell at most, as the service counts them
const ANSWER = 32 << 20; // bytes of one answer, the service's limit

/** Takes out of the export menu what the service would refuse. @param {Atlas} atlas */
export function offerWhatFits(atlas) {
  const list = byId("export-list");
  const [rows, cols] = atlas.shape;
  /** @type {NodeListOf<HTMLAnchorElement>} */
  const links = list.querySelectorAll("a:not(.apart)");
  for (const link of links) {
    const format = new URL(link.href).searchParams.get("format") ?? "";
    if (rows * cols * (BYTES[format] ?? 16) > ANSWER) link.remove();
  }
  if (!list.querySelector("a:not(.apart)")) list.querySelector(".caption")?.remove();
}
