/** A job on the page: a button that starts it, how far it is, a button that stops it, and what it failed by. */

import { runJob } from "../api/jobs.js";
import { asError, isAbort } from "../api/request.js";
import { t } from "../text/i18n.js";
import { announce } from "./controls.js";
import { element } from "./dom.js";
import { Trouble } from "./trouble.js";

/** @typedef {import("../api/jobs.js").Job} Job */

const LEAST = 3; // seconds of work before what is left of it is said
const MINUTE = 60;

export class JobPanel {
  /**
   * @param {object} on
   * @param {() => object} on.body what the job is asked
   * @param {(result: any) => void} on.done
   * @param {() => boolean} on.found whether there is a result already
   * @param {() => string} on.name of the button that starts it
   */
  constructor(on) {
    this.on = on;
    /** @type {AbortController | null} of the job under way */
    this.controller = null;
    this.begun = 0;
    /** @type {Job | null} as it was when last heard of */
    this.job = null;
    this.start = element("button", { type: "button", class: "main job-start", on: { click: () => this.run() } });
    this.bar = element("progress", { class: "job-bar" });
    this.told = element("span", { class: "quiet small tabular" });
    this.stop = element("button", { type: "button", class: "job-stop", on: { click: () => this.cancel() } });
    this.line = element("div", { class: "job-line", hidden: true }, this.bar, this.told, this.stop);
    this.trouble = new Trouble();
    this.root = element("div", { class: "job" }, this.start, this.line, this.trouble.root);
    this.translate();
  }

  get running() {
    return this.controller !== null;
  }

  /** Asks for it; one under way is cancelled. */
  async run() {
    this.cancel();
    const controller = (this.controller = new AbortController());
    this.trouble.clear();
    this.begun = performance.now();
    this.job = null;
    this.show();
    try {
      const result = await runJob(this.on.body(), controller.signal, (job) => {
        if (controller.signal.aborted) return;
        this.job = job;
        this.show();
      });
      if (controller.signal.aborted) return;
      this.controller = null;
      this.show();
      this.on.done(result);
      announce(t("jobDone"));
    } catch (error) {
      if (controller.signal.aborted) return; // whoever did that has shown it
      this.controller = null;
      this.show();
      if (!isAbort(error)) this.trouble.tell(asError(error), () => this.run());
    }
  }

  /** Stops what is under way, if anything is. */
  cancel() {
    this.controller?.abort();
    this.controller = null;
    this.show();
  }

  /** Another input is on show: neither a job nor a problem is about it. */
  forget() {
    this.cancel();
    this.trouble.clear();
  }

  show() {
    const { running, job } = this;
    const focused = this.root.contains(document.activeElement);
    this.start.hidden = running;
    this.start.classList.toggle("main", !this.on.found());
    this.line.hidden = !running;
    if (focused) (running ? this.stop : this.start).focus();
    if (!running) return;
    const { done = 0, of = 0 } = job?.progress ?? {};
    if (of) this.bar.value = done / of;
    else this.bar.removeAttribute("value");
    this.told.textContent = of ? `${t("jobProgress", { done, of })}${this.left(done, of)}` : t("jobWaiting");
  }

  /** About how long it still takes, once that can be said. @param {number} done @param {number} of */
  left(done, of) {
    const seconds = (performance.now() - this.begun) / 1000;
    if (seconds < LEAST || !done || done >= of) return "";
    const left = Math.ceil((seconds * (of - done)) / done);
    return ` · ${left < MINUTE ? t("jobSeconds", { n: left }) : t("jobMinutes", { n: Math.ceil(left / MINUTE) })}`;
  }

  /** In the page's language. */
  translate() {
    this.start.textContent = this.on.name();
    this.stop.textContent = t("jobStop");
    this.bar.setAttribute("aria-label", t("jobBar"));
    this.trouble.translate();
    this.show();
  }
}
