/** What the page offers around the map: each in a module of its own, which is named here and says what it follows. */

import { Rail } from "./map/grid/rail.js";
import { Measures } from "./views/measures.js";
import { Framed } from "./views/framed.js";
import { Alignment } from "./studies/alignment.js";
import { Corpus } from "./studies/corpus.js";
import { Faithfulness } from "./studies/faithfulness.js";
import { Robustness } from "./studies/robustness.js";
import { ModelCard } from "./views/model-card.js";
import { translateProblem } from "./views/notices.js";
import { Exports } from "./exports/exports.js";
import { Pins } from "./pins/pins.js";
import { Tour } from "./tour/tour.js";
import { MapTable } from "./views/map-table.js";
import { Stepping } from "./beside/stepping/stepping.js";
import { Sources } from "./beside/sources/sources.js";
import { Simultaneous } from "./beside/simultaneous/simultaneous.js";
import { Conversation } from "./input/conversation.js";
import { Compare } from "./beside/compare/compare.js";
import { Intervene } from "./beside/intervene/intervene.js";
import { Present } from "./views/present.js";

/**
 * @typedef {import("./explorer.js").Explorer} Explorer
 * @typedef {import("./input/form.js").Form} Form
 * @typedef {import("./source/session.js").Session} Session
 * @typedef {import("./types.js").Cell} Cell
 * @typedef {import("./types.js").Head} Head
 * @typedef {import("./types.js").HeadMap} HeadMap
 * @typedef {import("./types.js").Place} Place
 * @typedef {import("./types.js").State} State
 *
 * @typedef {object} Shown a map
 * @property {Session} session
 * @property {State} state
 * @property {Head} head
 * @property {HeadMap} map
 * @property {boolean} far it is never in the page whole
 *
 * @typedef {object} Feature
 * @property {() => void} [translate] the language is another one; once at the start too
 * @property {(state: State) => void} [changed] the state is another one
 * @property {(session: Session | null) => void} [answered] another answer is on show, or none
 * @property {(shown: Shown) => void} [use] another map is on show
 * @property {() => void} [heads] statistics and pictures of the site's heads are there
 * @property {(cell: Cell) => void} [keep] another cell is kept
 * @property {(place: Place | null) => void} [point] somebody points, or no longer does
 * @property {Record<string, (pressed: string) => unknown>} [keys] by the names of views/keys.js
 * @property {string} [view] of the stage, by its name in choices.js, which this feature draws instead of the map
 * @property {(active: boolean) => void} [open] the view is chosen, or another one
 *
 * @typedef {object} Page
 * @property {Explorer} explorer
 * @property {Form} form
 * @property {(patch?: Partial<State>) => Promise<void>} run answers what stands in the form
 * @property {() => void} shown tells everybody that another session is on show
 */

/** @param {Page} page @returns {Feature[]} in the order in which they stand on the page */
export const featuresOf = (page) => [
  new Measures(page),
  new Rail(page),
  new Present(page),
  new Stepping(page),
  new Conversation(page),
  new Simultaneous(page),
  new Sources(page),
  new Intervene(page),
  new Compare(page),
  new MapTable(),
  new Exports(page),
  new Pins(page),
  new Tour(page),
  new Alignment(page),
  new Robustness(page),
  new Faithfulness(page),
  new Corpus(page),
  new ModelCard(page),
  { translate: translateProblem },
  new Framed(page),
];
