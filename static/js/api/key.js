/** The API key of a service that wants one: kept for this tab's session, in no link and no log. */

const NAME = "heedmap.key";
let kept = stored();
/** @type {Promise<boolean> | null} one question for all requests that were refused together */
let asking = null;
/** @type {(why: "keyWanted" | "keyRefused") => Promise<string>} what asks the reader; empty: none was given */
let ask = () => Promise.resolve("");
/** @type {() => void} */
let changed = () => {};

function stored() {
  try {
    return sessionStorage.getItem(NAME) ?? "";
  } catch {
    return ""; // storage may be refused; the key then lasts as long as the page
  }
}

/**
 * Who asks the reader for a key, and who shows whether there is one.
 *
 * @param {typeof ask} asker
 * @param {typeof changed} listener
 */
export function onKeyWanted(asker, listener) {
  ask = asker;
  changed = listener;
}

/** @param {string} value empty: forgotten */
export function keepKey(value) {
  kept = value;
  try {
    if (value) sessionStorage.setItem(NAME, value);
    else sessionStorage.removeItem(NAME);
  } catch {
    // see above
  }
  changed();
}

/** @returns {string} the key, empty where there is none */
export const heldKey = () => kept;

/** @returns {Record<string, string>} the headers that carry the key */
export const credentials = () => (kept ? { "X-API-Key": kept } : {});

/**
 * Asks for a key, with what the reader should know first.
 *
 * @param {string} sent the key that was refused; empty: none was sent
 * @returns {Promise<boolean>} whether there is another key to try
 */
export function replaceKey(sent) {
  if (asking) return asking;
  if (kept !== sent) return Promise.resolve(kept !== ""); // another request has asked meanwhile
  if (sent) keepKey("");
  asking = ask(sent ? "keyRefused" : "keyWanted")
    .then((given) => {
      if (given) keepKey(given);
      return given !== "";
    })
    .finally(() => (asking = null));
  return asking;
}
