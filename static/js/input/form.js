/** The left column's upper half: model, examples, input; and whether the map on show is still its answer. */

import { fillSelect, step } from "../views/controls.js";
import { byId } from "../views/dom.js";
import { fromExample, keptEdits, sameDraft } from "./draft.js";
import { t } from "../text/i18n.js";
import { Inputs } from "./inputs.js";
import { Models } from "./models.js";
import { onInvalid, setVerb } from "../views/notices.js";
import { LABELS } from "./tasks.js";

/** @typedef {import("../types.js").Draft} Draft */
/** @typedef {import("../types.js").Model} Model */
/** @typedef {import("./inputs.js").Example} Example */

/** What an example is called: by its text, or by its kind and number. @param {Example} example @param {number} index */
function exampleName(example, index) {
  const { fields, file } = fromExample(example);
  return fields.question ?? fields.text ?? fields.source ?? `${t(file?.kind ?? "source")} ${index + 1}`;
}

export class Form {
  /** @param {{shown: () => Draft | null}} on `shown`: the draft that the map on show belongs to */
  constructor(on) {
    this.on = on;
    /** @type {Model | undefined} the one before the choice that is made now */
    this.last = undefined;
    this.models = new Models(() => this.refresh());
    this.inputs = new Inputs(() => this.stale());
    onInvalid((/** @type {string | null} */ path) => this.inputs.markInvalid(path));
  }

  /** The chosen model's fields, examples, button and note. */
  refresh() {
    const model = this.models.chosen();
    this.inputs.refresh(model);
    const list = this.examples();
    fillSelect(byId("examples"), [
      ["", t("pickExample")],
      ...list.map((example, index) => /** @type {[string, string]} */ ([String(index), exampleName(example, index)])),
    ]);
    byId("examples-field").hidden = list.length === 0;
    setVerb(this.inputs.task?.verb ?? "predict");
    this.models.note();
    this.stale();
  }

  /** @returns {Example[]} of the chosen model */
  examples() {
    return this.models.chosen()?.examples ?? [];
  }

  /** @param {string} name of the model; one that is not served is asked for all the same, and the service says so */
  draft(name = "") {
    const draft = { ...this.inputs.draft(), ...(name ? { model: name } : {}) };
    return { ...draft, edits: keptEdits(draft, this.on.shown()) };
  }

  /** Whether nothing is given that could be asked. */
  blank() {
    const { fields, media } = this.inputs.draft();
    if (this.inputs.kind) return !media || fields.labels === "";
    return Object.values(fields).every((text) => text === "");
  }

  /** Puts an example into the form. @param {number} index */
  pick(index) {
    const example = this.examples()[index];
    if (example === undefined) return;
    this.inputs.fillExample(example, `${t(fromExample(example).file?.kind ?? "source")} ${index + 1}`);
    const { fields } = this.inputs.draft();
    if (fields.labels === "") this.inputs.fill({ ...this.draft(), fields: { labels: LABELS.join("\n") }, media: null });
    this.stale();
  }

  /** The example after the one in the form. */
  next() {
    const list = this.examples();
    const now = list.find((example) => this.inputs.shows(example));
    if (list.length) this.pick(now === undefined ? 0 : list.indexOf(step(list, now, 1)));
    return list.length > 0;
  }

  /** Another model is chosen: what the reader wrote stays, an untouched example makes way for the model's own. */
  switched() {
    const untouched = this.last?.examples?.some((example) => this.inputs.shows(example)) ?? false;
    this.refresh();
    if (this.examples().length && (this.blank() || (untouched && !this.shows()))) this.pick(0);
    this.last = this.models.chosen();
  }

  /** Whether one of the model's own examples is in the form. */
  shows() {
    return this.examples().some((example) => this.inputs.shows(example));
  }

  /** The input may run ahead of the answer; then the map is another input's. */
  stale() {
    const shown = this.on.shown();
    const old = shown !== null && !sameDraft({ ...this.inputs.draft(), edits: shown.edits }, shown);
    byId("stale").hidden = !old;
    document.body.classList.toggle("is-stale", old);
    byId("examples").value = ""; // the field beside has its words
  }
}
