/** Everything that the page says, by language. */

import * as atlas from "./strings/atlas.js";
import * as stage from "./strings/stage.js";
import * as derivation from "./strings/derivation.js";
import { en } from "./strings/en.js";
import * as exports from "./strings/exports.js";
import * as pins from "./strings/pins.js";
import * as present from "./strings/present.js";
import * as ribbons from "./strings/ribbons.js";
import * as tour from "./strings/tour.js";
import { zh } from "./strings/zh.js";

export const STRINGS = {
  en: { ...en, ...atlas.en, ...stage.en, ...derivation.en, ...ribbons.en, ...present.en, ...exports.en, ...pins.en, ...tour.en },
  zh: { ...zh, ...atlas.zh, ...stage.zh, ...derivation.zh, ...ribbons.zh, ...present.zh, ...exports.zh, ...pins.zh, ...tour.zh },
};
