/** Tiles, as batches of them come from the service. */

/** @typedef {{codes: Uint8Array | null, rows: number, cols: number}} Tile row-major; null: every block is masked */
/** @typedef {{row: number, col: number, shape: [number, number], bytes: number}} Part of a batch, as its header says */

/**
 * The parts of a batch of tiles.
 *
 * @param {ArrayBuffer} buffer a little-endian uint32, so many bytes of JSON, then the tiles one after the other
 * @returns {{row: number, col: number, tile: Tile}[]}
 * @throws {Error} fewer bytes than the batch says
 */
export function parseBatch(buffer) {
  const cut = new Error("the tiles are cut short");
  if (buffer.byteLength < 4) throw cut;
  const length = new DataView(buffer).getUint32(0, true);
  if (buffer.byteLength < 4 + length) throw cut;
  /** @type {{tiles: Part[]}} */
  const { tiles } = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  let at = 4 + length;
  return tiles.map(({ row, col, shape: [rows, cols], bytes }) => {
    if (buffer.byteLength < at + bytes || (bytes !== 0 && bytes !== rows * cols)) throw cut;
    // A copy of its own, so that a tile that stays does not keep the whole batch.
    const codes = bytes === 0 ? null : new Uint8Array(buffer.slice(at, at + bytes));
    at += bytes;
    return { row, col, tile: { codes, rows, cols } };
  });
}
