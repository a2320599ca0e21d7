/** Which views of the stage there are for the answer on show. */

import { VIEWS } from "../choices.js";
import { byId } from "./dom.js";

/** @param {string} view @returns {HTMLInputElement | null} */
const inputOf = (view) => byId("view").querySelector(`input[value=${view}]`);

/** Whether a view can be chosen; the one that is chosen stays, and says itself why it is empty. @param {string} view @param {boolean} there */
export function offer(view, there) {
  const input = inputOf(view);
  const item = input?.closest("label");
  if (item) item.hidden = !there && !input?.checked;
}

/** Those that can be chosen now, in their order. */
export const offered = () => VIEWS.filter((view) => !inputOf(view)?.closest("label")?.hidden);
