/** Asks once a pointer rests: what it only passes over is not asked for, and what is asked for anew ends what was. */

const AFTER = 120; // milliseconds that a pointer rests

export class Rest {
  /** @param {(error: Error | null) => void} failed null: what failed has come since */
  constructor(failed) {
    this.failed = failed;
    /** @type {(() => void) | null} */
    this.lost = null;
  }

  /**
   * @template T
   * @param {(signal: AbortSignal) => Promise<T>} ask
   * @param {(answer: T) => void} told unless something else is asked for, or nothing, before the answer is here
   * @param {number} [after] milliseconds
   */
  ask(ask, told, after = AFTER) {
    this.stop();
    this.latest = () => this.ask(ask, told, 0);
    const { signal } = (this.asking = new AbortController());
    this.resting = window.setTimeout(async () => {
      try {
        const answer = await ask(signal);
        if (signal.aborted) return;
        if (this.lost) this.failed(null);
        this.lost = null;
        told(answer);
      } catch (error) {
        if (signal.aborted) return;
        this.lost = this.latest;
        this.failed(error);
      }
    }, after);
  }

  /** Asks for what failed once more. */
  retry() {
    this.lost?.();
  }

  stop() {
    clearTimeout(this.resting);
    this.asking?.abort();
  }
}
