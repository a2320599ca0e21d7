/** Says, once and quietly, what of a link is not known here. */

import { unreadHere } from "../link.js";
import { t } from "../text/i18n.js";
import { isolated } from "../text/isolate.js";
import { notice } from "./controls.js";

const MOMENT = 8000; // milliseconds: it is said while the page is being looked over
const LONGEST = 40; // characters of a value that is said

/** @param {string[]} unread as name=value; none: nothing is said */
export function sayUnread(unread) {
  if (!unread.length) return;
  const what = unread.map((part) => isolated(part.length > LONGEST ? `${part.slice(0, LONGEST)}…` : part));
  notice(t("linkUnread", { what: what.join(", ") }), MOMENT);
}

/** Reads the page's address, and says what of it is not known once all is on show. @param {() => Promise<unknown>} reading */
export async function tellingUnread(reading) {
  const unread = unreadHere();
  await reading();
  sayUnread(unread);
}
