/** Everything that the page says, by language. */

import * as atlas from "./strings/atlas.js";
import { en } from "./strings/en.js";
import { zh } from "./strings/zh.js";

export const STRINGS = { en: { ...en, ...atlas.en }, zh: { ...zh, ...atlas.zh } };
