/** The menu of models, by task; what each is and whether it is loaded. */

import * as api from "../api/routes.js";
import { byId, element } from "../views/dom.js";
import { counted } from "../text/counted.js";
import { t, taskName } from "../text/i18n.js";

/** @typedef {import("../types.js").Model} Model */

const AGAIN = 2000; // milliseconds between looks while a model is being loaded

export class Models {
  /** @param {() => void} changed the list is another */
  constructor(changed) {
    this.changed = changed;
    /** @type {Model[]} */
    this.list = [];
    this.timer = 0;
    this.menu = byId("model");
  }

  /** @param {string} name @returns {Model | undefined} */
  find(name) {
    return this.list.find((model) => model.name === name);
  }

  /** The one that the menu says. */
  chosen() {
    return this.find(this.menu.value);
  }

  /** Asks the service anew. */
  async load() {
    const list = await api.models();
    clearTimeout(this.timer);
    if (list.some(({ state }) => state === "loading")) this.timer = window.setTimeout(() => this.reload(), AGAIN);
    if (JSON.stringify(list) === JSON.stringify(this.list)) return;
    this.list = list;
    this.fill();
    this.changed();
  }

  /** As `load`, where nobody waits for it: the menu is then a little older. */
  reload() {
    return this.load().catch(() => {});
  }

  fill() {
    const chosen = this.menu.value;
    /** @param {Model} model */
    const option = (model) => {
      const aside = model.state && model.state !== "loaded" ? ` · ${t(`state_${model.state}`)}` : "";
      return element("option", { value: model.name, dir: "auto" }, model.name + aside);
    };
    const tasks = [...new Set(this.list.map(({ task }) => task))];
    const groups = tasks.map((task) => {
      const group = element("optgroup", {}, ...this.list.filter((model) => model.task === task).map(option));
      group.label = taskName(task);
      return group;
    });
    // One task is no grouping.
    this.menu.replaceChildren(...(groups.length > 1 ? groups : this.list.map(option)));
    if (this.find(chosen)) this.menu.value = chosen;
  }

  /** What the chosen model is, and what keeps it from answering at once. */
  note() {
    const model = this.chosen();
    const note = byId("model-note");
    const failed = model?.state === "failed";
    note.classList.toggle("problem", failed);
    note.classList.toggle("urgent", failed);
    if (!model) return (note.textContent = "");
    if (failed) return (note.textContent = t("modelFailed", { reason: model.error ?? "" }));
    const { parameters, dtype, licence, state } = model;
    const count = typeof parameters === "number" ? parameters : model.parameter_count;
    const size = count ? t("parameterCount", { n: counted(count) }) : "";
    const facts = [taskName(model.task), size, dtype, licence].filter(Boolean).join(" · ");
    const waits = state === "unloaded" || state === "loading";
    note.classList.toggle("urgent", waits);
    note.textContent = waits ? `${facts}. ${t(`note_${state}`)}` : facts;
    this.menu.title = note.textContent;
  }
}
