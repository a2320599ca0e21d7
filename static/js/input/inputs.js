/** The form: fields for the task, a file where it reads one, its options. */

import { FIELDS, fromExample, sameDraft } from "./draft.js";
import { byId } from "../views/dom.js";
import { t } from "../text/i18n.js";
import { fitting, fromBase64, fromFile, sizeName, soundOf } from "./media.js";
import { countOptions, readOptions, showOptions } from "./options.js";
import { fileOf, optionsOf, taskOf } from "./tasks.js";

/** @typedef {import("../types.js").Draft} Draft */
/** @typedef {import("../types.js").Field} Field */
/** @typedef {import("../types.js").Media} Media */
/** @typedef {import("../types.js").Model} Model */
/** @typedef {import("../types.js").Input | string} Example */

/** @type {{[Name in Field]: Name extends "text" ? "input" : Name}} the text boxes, by field; `input` is the plain text's */
const BOXES = {
  text: "input",
  question: "question",
  context: "context",
  source: "source",
  sentences: "sentences",
  labels: "labels",
};
/** @type {Record<string, Field>} the fields that a problem's path names */
const PATHS = { source_sentence: "source", candidate_labels: "labels" };

/** What holds a text box and its name. @param {string} box */
const fieldOf = (box) => /** @type {HTMLElement} */ (byId(box).closest(".field"));

export class Inputs {
  /** @param {() => void} changed the reader has changed something */
  constructor(changed) {
    this.changed = changed;
    /** @type {Record<"image" | "audio", Media | null>} kept while the reader visits other models */
    this.files = { image: null, audio: null };
    /** @type {import("./tasks.js").Task | null} */
    this.task = null;
    /** @type {"image" | "audio" | null} the file that the task reads */
    this.kind = null;
    /** @type {ReturnType<typeof optionsOf>} */
    this.options = {};
    for (const box of Object.values(BOXES)) byId(box).addEventListener("input", changed);
    byId("options-list").addEventListener("input", () => {
      countOptions();
      changed();
    });
    byId("file").addEventListener("change", () => {
      const file = byId("file").files?.[0];
      if (file) this.take(file);
      byId("file").value = ""; // the same file may be chosen again
    });
    const drop = byId("drop");
    /** @param {DragEvent} event */
    const over = (event) => {
      if (!this.kind || !event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      drop.classList.add("over");
    };
    document.addEventListener("dragenter", over);
    document.addEventListener("dragover", over);
    document.addEventListener("dragleave", (event) => {
      if (event.relatedTarget === null) drop.classList.remove("over");
    });
    document.addEventListener("drop", (event) => this.given(event, event.dataTransfer));
    document.addEventListener("paste", (event) => this.given(event, event.clipboardData));
  }

  /** A file that was dropped or pasted anywhere on the page. @param {Event} event @param {DataTransfer | null} transfer */
  given(event, transfer) {
    byId("drop").classList.remove("over");
    const file = this.kind && fitting(this.kind, transfer);
    if (!file) return;
    event.preventDefault();
    this.take(file);
  }

  /** @param {File} file */
  async take(file) {
    const { kind } = this;
    if (kind) this.put(kind, await fromFile(kind, file));
    this.changed();
  }

  /** @param {"image" | "audio"} kind @param {Media | null} media */
  put(kind, media) {
    this.files[kind] = media;
    this.showFile();
  }

  /** Shows the fields of a model's task. @param {Model | undefined} model */
  refresh(model) {
    const task = taskOf(model);
    this.task = task;
    this.kind = fileOf(task);
    for (const field of FIELDS) fieldOf(BOXES[field]).hidden = !task.fields.includes(field);
    byId("media-field").hidden = !this.kind;
    byId("text-name").textContent = t(this.kind ? "prompt" : "input");
    if (this.kind) {
      byId("file").accept = `${this.kind}/*`;
      byId("file-name").textContent = t(this.kind);
    }
    this.showFile();
    this.options = optionsOf(model);
    showOptions(this.options, readOptions()); // what the reader set stays while the task has it
    for (const box of Object.values(BOXES)) byId(box).removeAttribute("aria-invalid");
  }

  showFile() {
    const media = this.kind && this.files[this.kind];
    byId("drop-text").textContent = t(media ? "chooseOther" : this.kind === "audio" ? "dropAudio" : "dropImage");
    byId("file-facts").hidden = !media;
    byId("thumbnail").hidden = media?.kind !== "image";
    if (!media) return;
    byId("file-title").textContent = media.name;
    byId("file-size").textContent = sizeName(media.bytes.length);
    if (media.kind === "image") byId("thumbnail").src = media.url;
    else
      soundOf(media).then((sound) => {
        if (sound && this.kind && this.files[this.kind] === media)
          byId("file-size").textContent = `${sound.duration.toFixed(1)} s · ${sizeName(media.bytes.length)}`;
      });
  }

  /** @returns {Field[]} the task's that are texts */
  texts() {
    return FIELDS.filter((field) => this.task?.fields.includes(field));
  }

  /** @returns {Draft} what the form says now */
  draft() {
    /** @type {Draft["fields"]} */
    const fields = {};
    for (const field of this.texts()) fields[field] = byId(BOXES[field]).value;
    const media = this.kind ? this.files[this.kind] : null;
    return { model: byId("model").value, fields, media, parameters: readOptions() };
  }

  /** Puts a draft into the form; what it says nothing of stays. @param {Draft} draft */
  fill({ fields, media, parameters }) {
    for (const field of FIELDS) if (fields[field] !== undefined) byId(BOXES[field]).value = fields[field];
    if (media) this.put(media.kind, media);
    showOptions(this.options, parameters);
  }

  /** @param {Example} example @param {string} name of its file, where it has one */
  fillExample(example, name) {
    const { fields, file } = fromExample(example);
    const media = file ? fromBase64(file.kind, file.base64, name) : null;
    this.fill({ model: "", fields, media, parameters: readOptions() });
  }

  /** Whether an example stands in the form, untouched. @param {Example} example */
  shows(example) {
    const { fields, file } = fromExample(example);
    const now = this.draft();
    const same = sameDraft(
      { ...now, parameters: {}, media: null },
      { ...now, fields: { ...now.fields, ...fields }, parameters: {}, media: null },
    );
    return same && (!file || now.media?.base64 === file.base64);
  }

  /** What the service would refuse anyway, and the page can say better: a missing file. */
  lacksFile() {
    return this.kind !== null && !this.files[this.kind];
  }

  /** Marks the field that a problem is about. @param {string | null} path null: none */
  markInvalid(path) {
    const parts = (path ?? "").split(".").map((part) => PATHS[part] ?? part);
    const shown = this.task?.fields ?? [];
    const invalid = shown.find((field) => parts.some((part) => part === field)) ?? shown[0];
    for (const [name, box] of Object.entries(BOXES))
      if (path !== null && name === invalid) byId(box).setAttribute("aria-invalid", "true");
      else byId(box).removeAttribute("aria-invalid");
    byId("drop").classList.toggle("wrong", path !== null && invalid === this.kind);
  }

  focus() {
    const [field] = this.texts();
    (field ? byId(BOXES[field]) : byId("file")).focus();
  }
}
