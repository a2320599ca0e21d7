/** The API key of a service that wants one: asked for once, kept for this tab's session, in no link and no log. */

import { byId } from "../views/dom.js";
import { t } from "../text/i18n.js";

const NAME = "heedmap.key";
let kept = read();
/** @type {Promise<boolean> | null} one dialog for all requests that were refused together */
let asking = null;

function read() {
  try {
    return sessionStorage.getItem(NAME) ?? "";
  } catch {
    return ""; // storage may be refused; the key then lasts as long as the page
  }
}

/** @param {string} key empty: forgotten */
function keep(key) {
  kept = key;
  try {
    if (key) sessionStorage.setItem(NAME, key);
    else sessionStorage.removeItem(NAME);
  } catch {
    // see above
  }
  showAccess();
}

/** @returns {string} the key, empty where there is none */
export const key = () => kept;

/** @returns {Record<string, string>} the headers that carry the key, as `app/callers.py` reads it */
export const credentials = () => (kept ? { "X-API-Key": kept } : {});

/** The button that opens the dialog stands there once there is a key to forget. */
export function showAccess() {
  byId("key-open").hidden = !kept;
}

/**
 * Asks for a key, with what the reader should know first.
 *
 * @param {string} sent the key that was refused; empty: none was sent
 * @returns {Promise<boolean>} whether there is another key to try
 */
export function askForKey(sent) {
  if (asking) return asking;
  if (kept !== sent) return Promise.resolve(kept !== ""); // another request has asked meanwhile
  if (sent) keep("");
  asking = open(t(sent ? "keyRefused" : "keyWanted")).finally(() => (asking = null));
  return asking;
}

/** The dialog at the reader's own wish: another key, or none. */
export async function changeKey() {
  return (asking ??= open(t("keyHeld")).finally(() => (asking = null)));
}

/** @param {string} why @returns {Promise<boolean>} whether a key was given */
function open(why) {
  const dialog = byId("key-dialog");
  byId("key-why").textContent = why;
  byId("key-value").value = "";
  byId("key-forget").hidden = !kept;
  dialog.returnValue = "";
  if (!dialog.open) dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener(
      "close",
      () => {
        const given = byId("key-value").value.trim();
        byId("key-value").value = "";
        if (dialog.returnValue === "forget") keep("");
        if (dialog.returnValue === "use" && given) keep(given);
        resolve(dialog.returnValue === "use" && given !== "");
      },
      { once: true },
    );
  });
}
