/** A trace file that a reader drops anywhere on the page, or chooses: it opens without the service. */

const SUFFIX = ".safetensors";

/** @param {DataTransfer | null} transfer @returns {File | null} */
const traceIn = (transfer) => [...(transfer?.files ?? [])].find(({ name }) => name.endsWith(SUFFIX)) ?? null;

/** @param {(file: File) => void} open called with every trace file that comes */
export function listenForTraces(open) {
  document.addEventListener("dragover", (event) => {
    if (event.dataTransfer?.types.includes("Files")) event.preventDefault(); // else the browser leaves for the file
  });
  document.addEventListener("drop", (event) => {
    const file = traceIn(event.dataTransfer);
    if (!file) return;
    event.preventDefault();
    open(file);
  });
}
