"""ROUGE (Lin 2004): how many words, pairs of words, and words in order a text shares with the one that was wanted.

F1 of each, without stemming; words are runs of letters and digits in lower case, as in the `rouge-score` package.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

WORD = re.compile(r"[a-z0-9]+")


@dataclass(frozen=True)
class Rouge:
    """Means over texts, in percent."""

    one: float
    two: float
    longest: float
    texts: int


def words(text: str) -> list[str]:
    """What is compared."""
    return WORD.findall(text.lower())


def shared(text: Sequence[str], wanted: Sequence[str], size: int) -> float:
    """F1 of the n-grams of this size that both have, each counted as often as both have it."""
    grams = [
        Counter(tuple(each[start : start + size]) for start in range(len(each) - size + 1)) for each in (text, wanted)
    ]
    return _f1((grams[0] & grams[1]).total(), grams[0].total(), grams[1].total())


def in_order(text: Sequence[str], wanted: Sequence[str]) -> float:
    """F1 of the longest common subsequence."""
    best = [0] * (len(wanted) + 1)
    for word in text:
        before = 0
        for place, other in enumerate(wanted, 1):
            before, best[place] = best[place], before + 1 if word == other else max(best[place], best[place - 1])
    return _f1(best[-1], len(text), len(wanted))


def _f1(common: int, here: int, there: int) -> float:
    return 2 * common / (here + there) if here + there else 0.0


def rouge(texts: Sequence[str], wanted: Sequence[str]) -> Rouge:
    """ROUGE-1, ROUGE-2 and ROUGE-L of texts against those that were wanted, one each."""
    pairs = [(words(one), words(other)) for one, other in zip(texts, wanted, strict=True)]
    sums = [
        100 * sum(score) / max(1, len(pairs))
        for score in (
            [shared(one, other, 1) for one, other in pairs],
            [shared(one, other, 2) for one, other in pairs],
            [in_order(one, other) for one, other in pairs],
        )
    ]
    return Rouge(one=sums[0], two=sums[1], longest=sums[2], texts=len(pairs))
