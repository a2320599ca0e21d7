/** One quiet line that says how to read the map on show; put away, it stays away. */

import { darkens } from "../map/colour.js";
import { putAway, theme, wasPutAway } from "../preferences.js";
import { t } from "../text/i18n.js";
import { byId, setText } from "./dom.js";

/** @param {import("../types.js").Axis} queries @param {import("../types.js").Palette} palette */
export function showReading({ kind }, palette) {
  byId("reading").hidden = wasPutAway("reading");
  const more = t(darkens(palette, theme()) ? "readingDarker" : "readingBrighter");
  setText(byId("reading-text"), t(`reading_${kind}`, { more }, "reading_text"));
}

export function listenToReading() {
  byId("reading-close").addEventListener("click", () => {
    putAway("reading");
    byId("reading").hidden = true;
  });
}
