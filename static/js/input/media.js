/** Files that a reader chose: kept in the page, shown from there, sent as base64. */

/** @typedef {import("../types.js").Media} Media */

const CHUNK = 0x8000; // bytes that fit on the stack as arguments
// A file of sound alone is often a video by its name's ending: .mp4, .ogg.
const TYPES = { image: /^image\//, audio: /^(audio|video)\// };

/** @param {Uint8Array} bytes */
function toBase64(bytes) {
  let text = "";
  for (let at = 0; at < bytes.length; at += CHUNK) text += String.fromCharCode(...bytes.subarray(at, at + CHUNK));
  return btoa(text);
}

/**
 * @param {"image" | "audio"} kind
 * @param {File} file
 * @returns {Promise<Media>}
 */
export async function fromFile(kind, file) {
  const bytes = new Uint8Array(await file.arrayBuffer());
  return { kind, name: file.name, bytes, base64: toBase64(bytes), url: URL.createObjectURL(file) };
}

/**
 * @param {"image" | "audio"} kind
 * @param {string} base64 perhaps as a data: URL
 * @param {string} name
 * @returns {Media}
 */
export function fromBase64(kind, base64, name) {
  const bare = base64.replace(/^data:[^,]*,/, "");
  const bytes = Uint8Array.from(atob(bare), (character) => character.charCodeAt(0));
  return { kind, name, bytes, base64: bare, url: URL.createObjectURL(new Blob([bytes])) };
}

/**
 * The first file of the kind among what was dropped or pasted; one of unknown type counts, the service judges it.
 *
 * @param {"image" | "audio"} kind
 * @param {DataTransfer | null} transfer
 */
export function fitting(kind, transfer) {
  const files = [...(transfer?.files ?? [])];
  return files.find(({ type }) => TYPES[kind].test(type)) ?? files.find(({ type }) => !type) ?? null;
}

/** @param {number} bytes */
export function sizeName(bytes) {
  const [unit, size] = bytes >= 1e6 ? ["MB", bytes / 1e6] : ["kB", bytes / 1e3];
  return `${size >= 10 ? Math.round(size) : size.toFixed(1)} ${unit}`;
}

/** @type {WeakMap<Media, Promise<AudioBuffer | null>>} */
const decoded = new WeakMap();

/**
 * The samples of a recording, by the browser's own decoder.
 *
 * @param {Media} media
 * @returns {Promise<AudioBuffer | null>} null where the browser cannot read the format
 */
export function soundOf(media) {
  const known = decoded.get(media);
  if (known) return known;
  // Offline: it needs no gesture of the reader's, and no sound card.
  const decoder = new OfflineAudioContext(1, 1, 44_100);
  const sound = decoder.decodeAudioData(media.bytes.slice().buffer).catch(() => null);
  decoded.set(media, sound);
  return sound;
}

/**
 * The loudest of each of so many equal parts of a recording.
 *
 * @param {Float32Array} samples
 * @param {number} parts
 * @returns {Float32Array} 0..1, of the loudest of all
 */
export function envelope(samples, parts) {
  const peaks = new Float32Array(parts);
  let most = 0;
  for (let part = 0; part < parts; part++) {
    const stop = Math.max(
      Math.floor((part * samples.length) / parts) + 1,
      Math.floor(((part + 1) * samples.length) / parts),
    );
    for (let at = Math.floor((part * samples.length) / parts); at < stop && at < samples.length; at++)
      peaks[part] = Math.max(peaks[part], Math.abs(samples[at]));
    most = Math.max(most, peaks[part]);
  }
  return most ? peaks.map((peak) => peak / most) : peaks;
}
