/** The dialog that asks for an API key, at the service's wish or the reader's. */

import { heldKey, keepKey, onKeyWanted } from "../api/key.js";
import { t } from "../text/i18n.js";
import { byId } from "./dom.js";

/** @type {Promise<string> | null} */
let open = null;

/** Answers requests that want a key; the button that opens the dialog stands there once there is a key to forget. */
export function listenForKeys() {
  onKeyWanted(ask, showButton);
  showButton();
}

function showButton() {
  byId("key-open").hidden = !heldKey();
}

/** The dialog at the reader's own wish: another key, or none. @returns {Promise<boolean>} whether a key was given */
export async function changeKey() {
  const given = await ask("keyHeld");
  if (given) keepKey(given);
  return given !== "";
}

/** @param {"keyWanted" | "keyRefused" | "keyHeld"} why @returns {Promise<string>} the key; empty: none was given */
function ask(why) {
  open ??= show(t(why)).finally(() => (open = null));
  return open;
}

/** @param {string} why @returns {Promise<string>} */
function show(why) {
  const dialog = byId("key-dialog");
  byId("key-why").textContent = why;
  byId("key-value").value = "";
  byId("key-forget").hidden = !heldKey();
  dialog.returnValue = "";
  if (!dialog.open) dialog.showModal();
  return new Promise((resolve) => {
    const closed = () => {
      const given = byId("key-value").value.trim();
      byId("key-value").value = "";
      if (dialog.returnValue === "forget") keepKey("");
      resolve(dialog.returnValue === "use" ? given : "");
    };
    dialog.addEventListener("close", closed, { once: true });
  });
}
