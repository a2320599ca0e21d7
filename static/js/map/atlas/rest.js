/** Asks once a pointer rests: what it only passes over is not asked for, and what is asked for anew ends what was. */

import { asError } from "../../api/request.js";

const AFTER = 120; // milliseconds that a pointer rests

export class Rest {
  /** @param {(error: Error | null) => void} failed null: what failed has come since */
  constructor(failed) {
    this.failed = failed;
    /** @type {(() => void) | null} */
    this.lost = null;
    /** @type {AbortController | null} */
    this.asking = null;
    this.resting = 0;
  }

  /**
   * @template T
   * @param {(signal: AbortSignal) => Promise<T>} ask
   * @param {(answer: T) => void} use unless something else is asked for, or nothing, before the answer is here
   * @param {number} [after] milliseconds
   */
  ask(ask, use, after = AFTER) {
    this.stop();
    this.asking = new AbortController();
    const { signal } = this.asking;
    const wait = async () => {
      let answer;
      try {
        answer = await ask(signal);
      } catch (error) {
        if (signal.aborted) return;
        this.lost = () => this.ask(ask, use, 0);
        return this.failed(asError(error));
      }
      if (signal.aborted) return;
      if (this.lost) this.failed(null);
      this.lost = null;
      use(answer);
    };
    this.resting = window.setTimeout(wait, after);
  }

  /** Asks for what failed once more. */
  retry() {
    this.lost?.();
  }

  stop() {
    clearTimeout(this.resting);
    this.asking?.abort();
  }

  /** Stops for good: what failed is not asked for again either. */
  forget() {
    this.stop();
    this.lost = null;
  }
}
