/** Everything that the page says, by language. */

import * as atlas from "./strings/atlas.js";
import * as stage from "./strings/stage.js";
import * as derivation from "./strings/derivation.js";
import { en } from "./strings/en.js";
import * as measures from "./strings/measures.js";
import * as present from "./strings/present.js";
import * as ribbons from "./strings/ribbons.js";
import { zh } from "./strings/zh.js";

export const STRINGS = {
  en: { ...en, ...atlas.en, ...stage.en, ...derivation.en, ...ribbons.en, ...measures.en, ...present.en },
  zh: { ...zh, ...atlas.zh, ...stage.zh, ...derivation.zh, ...ribbons.zh, ...measures.zh, ...present.zh },
};
