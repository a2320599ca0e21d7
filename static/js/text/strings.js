/** Everything that the page says, by language. */

import * as atlas from "./strings/atlas.js";
import * as stage from "./strings/stage.js";
import * as derivation from "./strings/derivation.js";
import { en } from "./strings/en.js";
import * as compare from "./strings/compare.js";
import * as intervene from "./strings/intervene.js";
import * as present from "./strings/present.js";
import * as ribbons from "./strings/ribbons.js";
import * as simultaneous from "./strings/simultaneous.js";
import * as sources from "./strings/sources.js";
import * as writing from "./strings/writing.js";
import * as canvas from "./strings/canvas.js";
import * as exports from "./strings/exports.js";
import * as pins from "./strings/pins.js";
import * as tour from "./strings/tour.js";
import * as card from "./strings/card.js";
import * as problems from "./strings/problems.js";
import * as studies from "./strings/studies.js";
import * as corpus from "./strings/corpus.js";
import * as badFile from "./strings/bad_file.js";
import * as measures from "./strings/measures.js";
import { zh } from "./strings/zh.js";

/** What the parts of the page say, each in a file of its own. */
const PARTS = [
  atlas,
  stage,
  derivation,
  ribbons,
  present,
  writing,
  simultaneous,
  sources,
  intervene,
  compare,
  canvas,
  exports,
  pins,
  tour,
  card,
  problems,
  studies,
  corpus,
  badFile,
  measures,
];

export const STRINGS = {
  en: Object.assign({}, en, ...PARTS.map((part) => part.en)),
  zh: Object.assign({}, zh, ...PARTS.map((part) => part.zh)),
};
