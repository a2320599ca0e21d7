"""One output of a decoder, whoever wrote it."""

from dataclasses import dataclass

from heedmap.model.prediction import FinishReason

# The longest output where nobody names a length. What a language model goes on with need not end, and on a CPU a
# billion parameters write five tokens a second, where a call is given up after a minute. An encoder-decoder does end.
CONTINUATION = 256
WRITTEN = 1_024


@dataclass(frozen=True)
class Generated:
    """One output: token ids, closed by the end token unless the length ran out, and their summed log-probability.

    finish_reason: why it ended; None where it was given.
    """

    ids: list[int]
    score: float
    finish_reason: FinishReason | None = None
