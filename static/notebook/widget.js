/**
 * The explorer in a notebook: a frame with the page of a trace, by anywidget's protocol (https://anywidget.dev/en/afm/).
 *
 * The frame is sandboxed and of no origin: its page runs scripts, and reaches neither the notebook nor its server. So it
 * is told of the theme by messages. `srcdoc`, not an address: some notebooks let no blob: into a frame.
 */

/**
 * @typedef {object} Model anywidget's
 * @property {(name: string) => any} get
 * @property {(event: string, handler: () => void) => void} on
 * @property {(event: string, handler: () => void) => void} off
 */

const PATIENCE = 20_000; // milliseconds until a page that has not said that it began will not
const SANDBOX = "allow-scripts allow-downloads allow-modals allow-popups";
const UNSTARTED =
  'This notebook does not let the explorer run here. Write it with trace.page("trace.html"), and open that in a browser. · ' +
  '此笔记本不允许在这里运行该页面：请用 trace.page("trace.html") 写成文件，再在浏览器中打开。';

/** What notebooks say of their own theme: JupyterLab, VS Code, Colab; else what is behind the frame. @param {Element} near */
function themeOf(near) {
  const { body, documentElement: root } = document;
  const jupyter = body.dataset.jpThemeLight;
  if (jupyter) return jupyter === "true" ? "light" : "dark";
  const code = body.dataset.vscodeThemeKind;
  if (code) return /light/.test(code) ? "light" : "dark";
  const colab = root.getAttribute("theme");
  if (colab === "light" || colab === "dark") return colab;
  for (let node = /** @type {Element | null} */ (near); node; node = node.parentElement) {
    const [red, green, blue, alpha = 1] = (getComputedStyle(node).backgroundColor.match(/[\d.]+/g) ?? []).map(Number);
    if (alpha > 0.5 && blue !== undefined) return 0.299 * red + 0.587 * green + 0.114 * blue < 128 ? "dark" : "light";
  }
  return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}

/** @param {string} text for an attribute */
const escaped = (text) => text.replace(/[&"<]/g, (sign) => `&#${sign.charCodeAt(0)};`);

/** @param {{model: Model, el: HTMLElement}} view */
function render({ model, el }) {
  const theme = () => (model.get("theme") === "auto" ? themeOf(el) : model.get("theme"));
  const room = document.createElement("div");
  const frame = document.createElement("iframe");
  const said = document.createElement("p");
  Object.assign(room.style, { resize: "vertical", overflow: "hidden", minHeight: "240px", paddingBottom: "8px" });
  Object.assign(frame.style, { display: "block", width: "100%", height: "100%", border: "0" });
  frame.title = "Heedmap";
  frame.setAttribute("sandbox", SANDBOX);
  frame.allow = "clipboard-write; fullscreen";
  said.setAttribute("role", "alert");
  said.hidden = true;
  said.textContent = UNSTARTED;
  room.append(frame);
  el.append(said, room);

  let started = false;
  let told = "";
  let waiting = 0;
  const tell = () => {
    const wanted = theme();
    if (!started || told === wanted) return;
    told = wanted;
    frame.contentWindow?.postMessage({ heedmap: "theme", theme: wanted }, "*"); // of no origin, so none can be named
  };
  /** @param {MessageEvent} event */
  const hear = (event) => {
    if (event.source !== frame.contentWindow || event.data?.heedmap !== "started") return;
    started = true;
    said.hidden = true;
    clearTimeout(waiting);
    tell();
  };
  const fill = () => {
    const data = model.get("page");
    const page = new TextDecoder().decode(data instanceof DataView ? data : new Uint8Array(data));
    started = false;
    told = theme();
    const more = `<html data-framed data-theme="${escaped(told)}" data-place="${escaped(model.get("place"))}" `;
    frame.srcdoc = page.replace("<html ", () => more);
    clearTimeout(waiting);
    waiting = window.setTimeout(() => (said.hidden = false), PATIENCE);
  };
  const size = () => (room.style.height = `${model.get("height")}px`);

  window.addEventListener("message", hear);
  const watcher = new MutationObserver(tell);
  for (const node of [document.body, document.documentElement])
    watcher.observe(node, { attributeFilter: ["data-jp-theme-light", "data-vscode-theme-kind", "theme", "class"] });
  /** @type {[string, () => void][]} */
  const changes = [
    ["change:page", fill],
    ["change:height", size],
    ["change:theme", tell],
  ];
  for (const [event, handler] of changes) model.on(event, handler);
  size();
  fill();
  return () => {
    clearTimeout(waiting);
    watcher.disconnect();
    window.removeEventListener("message", hear);
    for (const [event, handler] of changes) model.off(event, handler);
  };
}

export default { render };
