/** The kept cell where it has no column of its own: in a drawer, on a phone in a sheet. */

import { byId } from "./dom.js";
import { NARROW } from "./narrow.js";

/** Opens it on the side away from the cell that it tells of. */
export function openDrawer() {
  if (!NARROW.matches) return;
  const { left, width } = byId("chosen-cell").getBoundingClientRect();
  byId("tell").dataset.side = left + width / 2 > window.innerWidth / 2 ? "left" : "right";
  show(true);
}

/** @returns {boolean} whether it was open */
export function closeDrawer() {
  const open = byId("tell").dataset.open !== undefined;
  show(false);
  return open;
}

/** @param {boolean} open */
function show(open) {
  const { dataset } = byId("tell");
  if (open) dataset.open = "";
  else delete dataset.open;
  byId("tell-open").setAttribute("aria-expanded", String(open));
}

export function listenToDrawer() {
  byId("tell-open").addEventListener("click", () => closeDrawer() || openDrawer());
  byId("tell-close").addEventListener("click", () => {
    closeDrawer();
    byId("tell-open").focus();
  });
}

/** What the closed drawer's button says of the kept cell. @param {import("../map/card.js").Said} said */
export function showShort({ query, key, weight }) {
  byId("tell-short").textContent = `${query} → ${key} ${weight}`;
}
