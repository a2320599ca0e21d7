/** What a page carries in itself: gzip in base64, in an element of its own. */

const PIECE = 1 << 20; // characters at once, a few milliseconds' work; a multiple of four, as base64 is read

/**
 * @param {string} base64 of gzip
 * @returns {ReadableStream<Uint8Array<ArrayBuffer>>} its bytes, piece by piece, so that a long one does not stop the page
 */
function bytesOf(base64) {
  let at = 0;
  return new ReadableStream({
    async pull(controller) {
      if (at > 0) await new Promise((resolve) => setTimeout(resolve));
      const text = atob(base64.slice(at, at + PIECE));
      const bytes = new Uint8Array(text.length);
      for (let index = 0; index < text.length; index++) bytes[index] = text.charCodeAt(index);
      controller.enqueue(bytes);
      at += PIECE;
      if (at >= base64.length) controller.close();
    },
  });
}

/** @param {string} base64 of gzip */
const opened = (base64) => new Response(bytesOf(base64).pipeThrough(new DecompressionStream("gzip")));

/**
 * @param {string} base64 of gzip
 * @returns {Promise<ArrayBuffer>} what was packed
 * @throws {Error} it is no such thing, or cut short
 */
export function unpacked(base64) {
  return opened(base64).arrayBuffer();
}

/** As a file, which a worker reads without a copy of it in the page. @param {string} base64 of gzip */
export function unpackedFile(base64) {
  return opened(base64).blob();
}
