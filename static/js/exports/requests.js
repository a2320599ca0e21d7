/** What makes the map on show, as a command and as a program, both to be run as they are. No document here. */

/**
 * @typedef {object} Asked
 * @property {string} origin of the service, with the folder that it lives in
 * @property {Record<string, unknown>} body of the request for the trace
 * @property {string} site
 * @property {number} layer
 * @property {number | string} head
 * @property {import("../types.js").Range | null} rows null: all
 * @property {import("../types.js").Range | null} cols
 * @property {string} measure
 * @property {boolean} keyed the service wants a key
 */

const KEY = "HEEDMAP_API_KEY"; // of the environment: the key itself stands in nothing that is copied
const FILES = { image: "image.png", audio: "audio.wav" }; // stand for a file, which no text holds

/** The kind of file that an input is, and the rest of it. @param {unknown} inputs */
function fileIn(inputs) {
  if (typeof inputs !== "object" || inputs === null) return null;
  const kind = /** @type {(keyof typeof FILES)[]} */ (Object.keys(FILES)).find((name) => name in inputs);
  if (!kind) return null;
  const { [kind]: file, ...beside } = /** @type {Record<string, unknown>} */ (inputs);
  void file;
  return { kind, beside };
}

/** A text as a shell reads it literally. @param {string} text */
const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

/** @param {Asked} asked @returns {string} of the map, behind the trace's id */
function mapOf({ site, layer, head, rows, cols, measure }) {
  const query = [
    ...(rows ? [`rows=${rows.join(":")}`] : []),
    ...(cols ? [`cols=${cols.join(":")}`] : []),
    ...(measure === "weights" ? [] : [`measure=${encodeURIComponent(measure)}`]),
  ];
  return `/maps/${encodeURIComponent(site)}/${layer}/${head}${query.length ? `?${query.join("&")}` : ""}`;
}

/** For a POSIX shell with curl and sed. @param {Asked} asked @returns {string} */
export function curlOf(asked) {
  const { origin, body, keyed } = asked;
  const key = keyed ? ` -H "X-API-Key: $${KEY}"` : "";
  const file = fileIn(body.inputs);
  const sent = file
    ? Object.entries({ ...body, ...file.beside, inputs: undefined })
        .filter(([, value]) => value !== undefined && value !== "")
        .map(([name, value]) => `-F ${quoted(`${name}=${typeof value === "string" ? value : JSON.stringify(value)}`)}`)
        .concat(`-F ${quoted(`${file.kind}=@${FILES[file.kind]}`)}`)
        .join(" ")
    : `-H 'Content-Type: application/json' --data-binary ${quoted(JSON.stringify(body))}`;
  return [
    `URL=${quoted(origin)}`,
    `TRACE=$(curl -fsS${key} ${sent} "$URL/v1/traces" | sed -n 's/^{"id": *"\\([0-9a-f]*\\)".*/\\1/p')`,
    `curl -fsS${key} "$URL/v1/traces/$TRACE${mapOf(asked)}"`,
    "",
  ].join("\n");
}

/** A value as Python writes it. @param {unknown} value @returns {string} */
export function python(value) {
  if (value === null || value === undefined) return "None";
  if (value === true) return "True";
  if (value === false) return "False";
  if (Array.isArray(value)) return `[${value.map(python).join(", ")}]`;
  if (typeof value !== "object") return JSON.stringify(value); // of texts and numbers, JSON is Python
  return `{${Object.entries(value).map(([name, each]) => `${python(name)}: ${python(each)}`).join(", ")}}`;
}

/** For `pip install heedmap`. @param {Asked} asked @returns {string} */
export function pythonOf({ origin, body, site, layer, head, rows, cols, measure, keyed }) {
  const { model, inputs, parameters = {}, ...rest } = body;
  const file = fileIn(inputs);
  const beside = file ? Object.entries(file.beside).map(([name, value]) => `, ${python(name)}: ${python(value)}`) : [];
  const input = file ? `{${python(file.kind)}: Path(${python(FILES[file.kind])}).read_bytes()${beside.join("")}}` : python(inputs);
  /** @param {Record<string, unknown>} values */
  const named = (values) => Object.entries(values).map(([name, value]) => `, ${name}=${python(value)}`);
  const given = [...named(model === undefined ? {} : { model }), ...named(rest), ...named(/** @type {Record<string, unknown>} */ (parameters))];
  /** @param {string} name @param {import("../types.js").Range | null} range */
  const bounds = (name, range) => (range ? [`, ${name}=(${range.join(", ")})`] : []);
  const place = [
    `, layer=${layer}, head=${python(head)}`,
    ...bounds("rows", rows),
    ...bounds("cols", cols),
    ...(measure === "weights" ? [] : [`, measure=${python(measure)}`]),
  ];
  return [
    ...(keyed ? ["import os"] : []),
    ...(file ? ["from pathlib import Path"] : []),
    ...(keyed || file ? [""] : []),
    "from heedmap import Client",
    "",
    `with Client(${python(origin)}${keyed ? `, api_key=os.environ[${python(KEY)}]` : ""}) as client:`,
    `    trace = client.trace(${input}${given.join("")})`,
    `    window = client.map(trace, ${python(site)}${place.join("")})`,
    "    print(window.weights)  # numpy, float32",
    "",
  ].join("\n");
}
