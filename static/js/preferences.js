/** What a reader prefers, whatever the link says: theme and language. Kept in this browser only. */

const dark = window.matchMedia("(prefers-color-scheme: dark)");

/** @param {string} name */
function read(name) {
  try {
    return localStorage.getItem(`heedmap.${name}`);
  } catch {
    return null; // storage may be refused
  }
}

/** @param {string} name @param {string} value */
function write(name, value) {
  try {
    localStorage.setItem(`heedmap.${name}`, value);
  } catch {
    // the choice then lasts as long as the page
  }
}

/** @returns {"light" | "dark"} */
export function theme() {
  return /** @type {"light" | "dark"} */ (document.documentElement.dataset.theme ?? (dark.matches ? "dark" : "light"));
}

/** @param {"light" | "dark"} value */
export function setTheme(value) {
  document.documentElement.dataset.theme = value;
  write("theme", value);
}

/** Calls back when the system's preference changes and nobody has chosen otherwise. @param {() => void} callback */
export function onSystemTheme(callback) {
  dark.addEventListener("change", () => {
    if (!document.documentElement.dataset.theme) callback();
  });
}

/** @returns {"en" | "zh"} */
export function language() {
  const chosen = read("language");
  if (chosen === "en" || chosen === "zh") return chosen;
  return navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en";
}

/** @param {"en" | "zh"} value */
export function setLanguage(value) {
  write("language", value);
}

/** Whether the reader has put a hint away. @param {string} name */
export function wasPutAway(name) {
  return read(name) === "away";
}

/** @param {string} name */
export function putAway(name) {
  write(name, "away");
}
