/** Work in turns, so that the page draws, and a worker hears who no longer waits. */

/** Lets others have their turn; throws where nobody waits any more. @param {AbortSignal} [signal] */
export async function rest(signal) {
  await new Promise((resolve) => setTimeout(resolve));
  signal?.throwIfAborted();
}

/**
 * `await turn()` between two steps rests once a turn's time is over.
 *
 * @param {number} length of a turn, in milliseconds
 * @param {AbortSignal} [signal]
 * @param {() => boolean} [others] whether somebody else's work comes first
 */
export function turns(length, signal, others = () => false) {
  let began = performance.now();
  return async () => {
    if (performance.now() - began < length) return;
    do await rest(signal);
    while (others());
    began = performance.now();
  };
}
