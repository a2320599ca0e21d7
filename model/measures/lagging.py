"""How far a simultaneous translation is behind its source, in source words. Plain numbers, of one sentence.

A delay g(t) is how many source words had been read when the t-th target word was written. Average lagging compares it
with an interpreter who writes at an even pace from the first word on and is done with the last:

    AL = 1/τ Σ_{t=1..τ} g(t) - (t - 1) / γ        γ = |y| / |x|        τ = the first t with g(t) = |x|

Ma et al. 2019, "STACL: Simultaneous translation with implicit anticipation and controllable latency using
prefix-to-prefix framework". Who writes too much seems to be ahead of that pace, so the length-adaptive one takes γ =
max(|y|, |reference|) / |x|: Papi et al. 2022, "Over-generation cannot be rewarded: length-adaptive average lagging for
simultaneous speech translation". Whoever waits for the end lags by |x|.
"""

from collections.abc import Sequence


def average_lagging(delays: Sequence[int], source: int, length: int | None = None) -> float:
    """Average lagging, in source words.

    Args:
        delays: of each target word, rising. source: |x|, words. length: |y| that the pace is made of; by default those
            that have a delay.

    Raises:
        ValueError: there is no word, or one was written after more words than there are.
    """
    if not delays or source < 1:
        raise ValueError(f"no lag without words: {source} in the source, {len(delays)} in the translation")
    if list(delays) != sorted(delays) or not 0 <= delays[0] <= delays[-1] <= source:
        raise ValueError(f"delays rise from 0 to at most {source}, got {list(delays)}")
    pace = (len(delays) if length is None else length) / source
    counted = next((place + 1 for place, delay in enumerate(delays) if delay == source), len(delays))
    return sum(delay - place / pace for place, delay in enumerate(delays[:counted])) / counted


def length_adaptive_lagging(delays: Sequence[int], source: int, reference: int) -> float:
    """Length-adaptive average lagging, in source words; `reference` is how many words the reference has."""
    return average_lagging(delays, source, max(len(delays), reference))
