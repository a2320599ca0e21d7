/** Everything that the page says, by language. */

import * as atlas from "./strings/atlas.js";
import * as stage from "./strings/stage.js";
import { en } from "./strings/en.js";
import { zh } from "./strings/zh.js";

export const STRINGS = {
  en: { ...en, ...atlas.en, ...stage.en },
  zh: { ...zh, ...atlas.zh, ...stage.zh },
};
