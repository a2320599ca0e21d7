/** The likeliest tokens at a place of an output, and what each token of it was worth to the model. */

import { t } from "../../text/i18n.js";
import { tokenText } from "../../text/words.js";
import { element } from "../../views/dom.js";

/** @typedef {import("../../source/likeliest.js").Candidate} Candidate */
/** @typedef {import("../../source/likeliest.js").OutputPlace} OutputPlace */
/** @typedef {import("../../types.js").Axis} Axis */

/** @param {number} share */
export const percent = (share) => {
  if (share >= 0.9995) return "100%";
  return share < 0.0001 ? "<0.01%" : `${(100 * share).toFixed(share < 0.0995 ? 2 : 1)}%`;
};

/** A number of nats, with a proper minus sign. @param {number} value @param {number} [digits] */
export const nats = (value, digits = 2) => value.toFixed(digits).replace("-", "−");

/** A label as the page shows those of the axis. @param {Axis} axis @param {string} label */
export function shownToken(axis, label) {
  const labels = [...axis.labels, label];
  const shown = tokenText({ ...axis, labels, special: [...axis.special, false] }, labels.length - 1);
  return shown.trim() === "" ? "␣" : shown;
}

/**
 * @param {OutputPlace} place
 * @param {Axis} axis
 * @param {((candidate: Candidate) => void) | null} choose goes on from a candidate; null where the model cannot
 * @returns {HTMLElement[]}
 */
export function candidateItems({ written, tokens }, axis, choose) {
  const rest = tokens.some(({ id }) => id === written.id) ? [] : [written]; // what stands there may be far from the best
  return [...tokens, ...rest].map((candidate) => {
    const shown = shownToken(axis, candidate.token);
    const figure = percent(candidate.probability);
    const bar = element("span", { class: "top-bar" });
    bar.style.setProperty("--weight", candidate.probability.toFixed(4));
    const parts = [
      element("span", { class: "token candidate-name", dir: "auto" }, shown),
      bar,
      element("span", { class: "tabular small" }, figure),
    ];
    const here = candidate.id === written.id;
    const say = here ? t("candidateWritten", { token: shown, share: figure }) : t("candidateGoOn", { token: shown, share: figure });
    const title = `${say} · ${t("candidateNats", { nats: nats(candidate.log_probability, 3) })}`;
    const shared = { class: `candidate${here ? " current" : ""}`, title, data: { id: candidate.id } };
    if (here || !choose) return element("li", {}, element("span", shared, ...parts));
    const on = { click: () => choose(candidate) };
    return element("li", {}, element("button", { ...shared, type: "button", "aria-label": title, on }, ...parts));
  });
}

/**
 * Each token of the output with its log-probability; likelier ones are lit more.
 *
 * @param {OutputPlace[]} places
 * @param {Axis} axis
 * @param {(place: number) => void} go
 * @returns {HTMLElement[]}
 */
export function scoreItems(places, axis, go) {
  return places.map(({ position, written }) => {
    const shown = shownToken(axis, written.token);
    const title = t("scoreOf", { token: shown, share: percent(written.probability), rank: written.rank });
    const button = element(
      "button",
      { type: "button", class: "score", title, "aria-label": title, on: { click: () => go(position) } },
      element("span", { class: "token", dir: "auto" }, shown),
      element("span", { class: "tabular small" }, nats(written.log_probability)),
    );
    button.style.setProperty("--light", (0.5 * written.probability).toFixed(3));
    return element("li", {}, button);
  });
}
