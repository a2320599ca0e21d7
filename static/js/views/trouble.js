/** A problem in a line of its own: what it is, and, where it may pass, a button that asks again. */

import { mayPass, waitOf, wordsOf } from "../text/problems.js";
import { t } from "../text/i18n.js";
import { element } from "./dom.js";

const SECOND = 1000;
const LONGEST = 60; // seconds that a button counts: whoever is asked to wait longer comes back by himself

/** What asks once more, as soon as the service wants to be asked. */
export class Again {
  constructor() {
    this.left = 0;
    this.timer = 0;
    /** @type {() => unknown} */
    this.retry = () => {};
    this.button = element("button", { type: "button", class: "small again", hidden: true, on: { click: () => this.retry() } });
  }

  /** @param {Error} error @param {(() => unknown) | undefined} retry none: there is nothing to ask again */
  offer(error, retry) {
    clearInterval(this.timer);
    this.button.hidden = !retry || !mayPass(error);
    if (!retry || this.button.hidden) return;
    this.retry = retry;
    this.left = Math.min(Math.ceil(waitOf(error)), LONGEST);
    this.show();
    if (!this.left) return;
    this.timer = window.setInterval(() => {
      this.left -= 1;
      if (!this.left) clearInterval(this.timer);
      this.show();
    }, SECOND);
  }

  show() {
    this.button.disabled = this.left > 0;
    this.button.textContent = this.left ? t("againIn", { n: this.left }) : t("again");
  }

  hide() {
    clearInterval(this.timer);
    this.button.hidden = true;
  }
}

export class Trouble {
  constructor() {
    this.text = element("span", {});
    this.again = new Again();
    this.root = element("p", { class: "problem trouble", role: "alert", hidden: true }, this.text, this.again.button);
    /** @type {Error | null} */
    this.error = null;
  }

  /** @param {Error} error @param {() => unknown} [retry] */
  tell(error, retry) {
    this.error = error;
    this.root.hidden = false;
    this.text.textContent = wordsOf(error);
    this.again.offer(error, retry);
  }

  clear() {
    this.error = null;
    this.root.hidden = true;
    this.again.hide();
  }

  translate() {
    if (this.error) this.text.textContent = wordsOf(this.error);
    this.again.show();
  }
}
