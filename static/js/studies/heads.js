/** A head that is named: a link that opens its map. */

import { encodeState } from "../link.js";
import { siteName, t } from "../text/i18n.js";
import { element } from "../views/dom.js";

/** @typedef {import("../types.js").Head & {site: string}} Named */

/** @param {import("../explorer.js").Explorer} explorer @param {Named} head */
export function headLink(explorer, { site, layer, head }) {
  /** @type {Partial<import("../types.js").State>} */
  const patch = { site, layer, head, over: "", view: "" };
  const name = `${siteName(site)} · ${t("headName", { layer, head })}`;
  /** @param {MouseEvent} event */
  const click = (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return; // in a tab of its own
    event.preventDefault();
    explorer.go(patch, "push");
  };
  return element("a", { class: "head-link", href: `#${encodeState({ ...explorer.state, ...patch })}`, on: { click } }, name);
}
