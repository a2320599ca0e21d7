/** The trace that a page carries: a self-contained file has no service to ask. */

/** @returns {Promise<ArrayBuffer> | null} the trace's file; null where the page carries none */
export function embedded() {
  const text = document.getElementById("trace")?.textContent;
  return text ? unpacked(text) : null;
}

/** Bytes that were compressed by gzip, then written as base64. @param {string} text */
function unpacked(text) {
  const bytes = Uint8Array.from(atob(text.trim()), (character) => character.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
}
