/** Everything that the page says, by language. */

import * as atlas from "./strings/atlas.js";
import * as stage from "./strings/stage.js";
import * as derivation from "./strings/derivation.js";
import * as card from "./strings/card.js";
import { en } from "./strings/en.js";
import * as present from "./strings/present.js";
import * as problems from "./strings/problems.js";
import * as ribbons from "./strings/ribbons.js";
import * as studies from "./strings/studies.js";
import { zh } from "./strings/zh.js";

export const STRINGS = {
  en: { ...en, ...atlas.en, ...stage.en, ...derivation.en, ...ribbons.en, ...present.en, ...studies.en, ...card.en, ...problems.en },
  zh: { ...zh, ...atlas.zh, ...stage.zh, ...derivation.zh, ...ribbons.zh, ...present.zh, ...studies.zh, ...card.zh, ...problems.zh },
};
