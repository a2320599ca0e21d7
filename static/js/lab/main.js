/** The lab: the essay on attention made live, on the service's own operator and models. */

import { language, onSystemTheme, setLanguage, setTheme, theme } from "../preferences.js";
import { learn, t, useLanguage } from "../text/i18n.js";
import * as page from "../text/strings/lab/page.js";
import { byId } from "../views/dom.js";
import { changeKey, listenForKeys } from "../views/key-dialog.js";
import { choice } from "./sections/choice.js";
import { cost } from "./sections/cost.js";
import { heads } from "./sections/heads.js";
import { masks } from "./sections/masks.js";
import { noise } from "./sections/noise.js";
import { scale } from "./sections/scale.js";
import { sum } from "./sections/sum.js";
import { translation } from "./sections/translation.js";
import { why } from "./sections/why.js";

let current = language();
const sections = [sum(), scale(), choice(), heads(), masks(), translation(), cost(), noise(), why()];

learn(page);
for (const { texts } of sections) learn(texts);

function translate() {
  useLanguage(current);
  document.title = t("labPage");
  for (const { section } of sections) section.translate();
}

/** Drawings take their colours when they are drawn. */
function redraw() {
  for (const { section } of sections) section.translate();
}

for (const { section } of sections) {
  byId("essay").append(section.root);
  byId("contents").append(section.entry);
}
byId("language").addEventListener("click", () => {
  current = current === "en" ? "zh" : "en";
  setLanguage(current);
  translate();
});
byId("theme").addEventListener("click", () => {
  setTheme(theme() === "dark" ? "light" : "dark");
  redraw();
});
onSystemTheme(redraw);
listenForKeys();
byId("key-open").addEventListener("click", () => void changeKey());
translate();
for (const { section } of sections) section.watch();
document.getElementById(window.location.hash.slice(1))?.scrollIntoView(); // its place was not there when the page was read
document.documentElement.dataset.begun = "";
