/** What the chosen model is, in a dialog: its facts, what its card says, and the way to the service's description. */

import * as routes from "../api/routes.js";
import { isAbort } from "../api/request.js";
import { counted } from "../text/counted.js";
import { siteName, t, taskName } from "../text/i18n.js";
import { rendered } from "../text/markdown.js";
import { byId, element } from "./dom.js";

/** @typedef {import("../types.js").Model} Model */

export class ModelCard {
  /** @param {import("../features.js").Page} page */
  constructor({ form }) {
    this.form = form;
    /** @type {AbortController | null} of the card under way */
    this.controller = null;
    const on = { click: () => this.ask() };
    const sign = element("span", { class: "card-sign", "aria-hidden": "true" }, "i"); // few fonts have one in a ring
    this.button = element("button", { type: "button", class: "plain", id: "card-open", "aria-haspopup": "dialog", on }, sign);
    this.title = element("h2", { id: "card-title", dir: "auto" });
    this.close = element("button", { type: "button", class: "plain", on: { click: () => this.dialog.close() } });
    this.facts = element("dl", { class: "facts card-facts" });
    this.text = element("div", { class: "card-text", tabIndex: 0 });
    this.docs = element("a", { href: "docs" });
    this.json = element("a", { href: "v1/models" });
    this.dialog = element(
      "dialog",
      { id: "model-card", "aria-labelledby": "card-title" },
      element("div", { class: "row spread" }, this.title, this.close),
      this.facts,
      this.text,
      element("p", { class: "row card-links" }, this.docs, this.json),
    );
    this.dialog.addEventListener("close", () => this.controller?.abort());
    document.body.append(this.dialog);
    byId("model").closest("label")?.after(this.button);
    this.keys = { keyCard: () => this.ask() };
  }

  ask() {
    const model = this.form.models.chosen();
    if (!model) return;
    this.print(model);
    this.dialog.showModal();
    this.load(model);
  }

  /** @param {Model} model */
  async load(model) {
    this.controller?.abort();
    const { signal } = (this.controller = new AbortController());
    this.text.replaceChildren();
    try {
      const whole = await routes.model(model.name, signal);
      this.print(whole);
      this.text.replaceChildren(...rendered(whole.card ?? ""));
    } catch (error) {
      if (!isAbort(error)) this.text.replaceChildren(); // the facts that the page has are there
    }
  }

  /** @param {Model} model */
  print(model) {
    const { name, task, family, architecture, dtype, device, licence, languages, sites, state, revision } = model;
    const count = typeof model.parameters === "number" ? model.parameters : model.parameter_count;
    this.title.textContent = name;
    const known = languages?.source && languages.target ? `${languageName(languages.source)} → ${languageName(languages.target)}` : "";
    /** @type {[string, string | undefined][]} */
    const facts = [
      ["cardTask", taskName(task)],
      ["cardLanguages", known],
      ["cardFamily", family ?? architecture],
      ["cardParameters", count ? t("parameterCount", { n: counted(count) }) : ""],
      ["cardDtype", [dtype, device].filter(Boolean).join(" · ")],
      ["cardHeads", sites?.map((site) => t("cardSite", { site: siteName(site.name), layers: site.layers, heads: site.heads })).join(t("cardComma"))],
      ["cardLicence", licence ?? t("cardUnknown")],
      ["cardRevision", revision?.slice(0, 12)],
      ["cardState", state && t(`state_${state}`)],
    ];
    this.facts.replaceChildren(
      ...facts.flatMap(([text, value]) => (value ? [element("dt", {}, t(text)), element("dd", { dir: "auto" }, value)] : [])),
    );
    this.json.href = `v1/models/${encodeURIComponent(name)}`;
  }

  /** In the page's language. */
  translate() {
    this.button.title = t("cardOpen");
    this.button.setAttribute("aria-label", t("cardOpen"));
    this.close.textContent = t("close");
    this.docs.textContent = t("cardDocs");
    this.json.textContent = t("cardJson");
  }

  /** A page that carries its trace has no service to ask. @param {import("../source/session.js").Session | null} session */
  answered(session) {
    this.button.hidden = !this.form.models.list.length && session !== null;
  }
}

/** A language's name in the page's own language. @param {string} code */
function languageName(code) {
  try {
    return new Intl.DisplayNames([document.documentElement.lang], { type: "language" }).of(code) ?? code;
  } catch {
    return code; // not one that browsers know
  }
}
