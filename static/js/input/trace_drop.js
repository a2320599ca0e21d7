/** A file that a reader drops anywhere on the page: a trace opens without the service, and of any other it is told. */

const SUFFIX = ".safetensors";

/** @param {DataTransfer | null} transfer */
const brings = (transfer) => transfer?.types.includes("Files") ?? false;

/** @param {(file: File) => void} open called with every file that comes and that nothing else took */
export function listenForTraces(open) {
  document.addEventListener("dragover", (event) => {
    if (brings(event.dataTransfer)) event.preventDefault(); // else the browser leaves for the file
  });
  document.addEventListener("drop", (event) => {
    const files = [...(event.dataTransfer?.files ?? [])];
    const file = files.find(({ name }) => name.endsWith(SUFFIX)) ?? files[0];
    if (!file || event.defaultPrevented) return;
    event.preventDefault();
    open(file);
  });
}
