/** Asks once a pointer rests: what it only passes over is not asked for, and what is asked for anew ends what was. */

const AFTER = 120; // milliseconds that a pointer rests

export class Rest {
  /** @param {(error: Error) => void} failed */
  constructor(failed) {
    this.failed = failed;
  }

  /**
   * @template T
   * @param {(signal: AbortSignal) => Promise<T>} ask
   * @param {(answer: T) => void} told unless something else is asked for, or nothing, before the answer is here
   * @param {number} [after] milliseconds
   */
  ask(ask, told, after = AFTER) {
    this.stop();
    const { signal } = (this.asking = new AbortController());
    this.resting = window.setTimeout(async () => {
      try {
        const answer = await ask(signal);
        if (!signal.aborted) told(answer);
      } catch (error) {
        if (!signal.aborted) this.failed(error);
      }
    }, after);
  }

  stop() {
    clearTimeout(this.resting);
    this.asking?.abort();
  }
}
