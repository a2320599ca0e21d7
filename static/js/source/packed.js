/** What a page carries in itself: gzip in base64, in an element of its own. */

/**
 * @param {string} base64 of gzip
 * @returns {Promise<ArrayBuffer>} what was packed
 * @throws {Error} it is no such thing, or cut short
 */
export function unpacked(base64) {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at++) bytes[at] = text.charCodeAt(at);
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
}
