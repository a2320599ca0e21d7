/** The trace that a page carries: a self-contained file has no service to ask. */

import { unpackedFile } from "./packed.js";

/** @returns {Promise<Blob> | null} the trace's file; null where the page carries none */
export function embedded() {
  const text = document.getElementById("trace")?.textContent;
  return text ? unpackedFile(text) : null;
}
