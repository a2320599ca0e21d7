"""Which token of one axis is which of another: what two traces have in common, position by position."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heedmap.model.errors import ParameterError
from heedmap.model.prediction import Axis

MOST_CELLS = 1 << 22  # of the table of common subsequences: 16 MiB, and 2,048 tokens against as many take 20 ms
MARKS = "\u2581\u0120 "  # with which tokenizers begin a word: no part of it

Run = tuple[int, int, int]
"""Where a run begins on the one axis and on the other, and how long it is."""


@dataclass(frozen=True)
class Match:
    """Positions of two axes that stand for the same, in order.

    by: what was compared: ids, labels, or position alone. equal: runs of equal tokens. substituted: runs between two of
    those, or at an end, that are as long on both axes, of other tokens: each taken for what stands in its place.
    lengths: of both axes.
    """

    by: str
    equal: list[Run]
    substituted: list[Run]
    lengths: tuple[int, int]

    def partners(self) -> NDArray[np.int64]:
        """For each position of the first axis that of the second, -1 where it has none."""
        places = np.full(self.lengths[0], -1, np.int64)
        for start, other, length in (*self.equal, *self.substituted):
            places[start : start + length] = np.arange(other, other + length)
        return places

    def unmatched(self) -> tuple[list[list[int]], list[list[int]]]:
        """The half-open ranges of positions without a partner, of the first axis and of the second."""
        partners = self.partners()
        missing = np.ones(self.lengths[1], np.bool_)
        missing[partners[partners >= 0]] = False
        return _ranges(partners < 0), _ranges(missing)

    def to_json(self) -> dict[str, Any]:
        """by, equal and substituted as [first, second, length], unmatched as [start, stop] of each axis."""
        return {
            "by": self.by,
            "equal": [list(run) for run in self.equal],
            "substituted": [list(run) for run in self.substituted],
            "unmatched": list(self.unmatched()),
        }


def match_axes(one: Axis, other: Axis, name: str) -> Match:
    """What two axes have in common.

    Patches and frames match by position where there are as many. Tokens match by their ids where both axes were made by
    one tokenizer, as far as they show it, else by their labels without the mark of a word's beginning: a longest common
    subsequence, of which there may be several; runs of equal length in between are taken for substitutions. Of very
    long differences the subsequence is difflib's, which need not be the longest.

    Raises:
        ParameterError: they have no token in common that is a part of the texts, or are of two kinds.
    """
    lengths = len(one), len(other)
    if one.kind != other.kind:
        raise ParameterError(
            f"the {name} of the first trace are {one.kind} and those of the second {other.kind}: compare traces of one "
            "kind of input",
            field="traces",
        )
    if one.kind in ("image", "audio") and lengths[0] == lengths[1]:
        return Match("position", [(0, 0, lengths[0])], [], lengths)
    by = "ids" if _one_vocabulary(one, other) else "labels"
    first, second = (_tokens(axis, by) for axis in (one, other))
    equal = list(_common(first, second))
    content = [not (one.special[i + k] and other.special[j + k]) for i, j, n in equal for k in range(n)]
    if not any(content):
        raise ParameterError(
            f"the {name} of the two traces have no token in common: compare inputs and outputs that share some, or "
            "give both traces the same target",
            field="traces",
        )
    return Match(by, equal, list(_substituted(equal, lengths)), lengths)


def _one_vocabulary(one: Axis, other: Axis) -> bool:
    """Whether every token has an id, and those that both axes have are called the same."""
    if min(*one.ids, *other.ids, 0) < 0:
        return False
    names = dict(zip(one.ids, one.labels, strict=True))
    shared = [(names[token], label) for token, label in zip(other.ids, other.labels, strict=True) if token in names]
    return bool(shared) and all(mine == its for mine, its in shared)


def _tokens(axis: Axis, by: str) -> list[Any]:
    return list(axis.ids) if by == "ids" else [label.lstrip(MARKS) or label for label in axis.labels]


def _common(one: Sequence[Any], other: Sequence[Any]) -> Iterator[Run]:
    """Runs of a longest common subsequence: equal beginnings and ends first, the rest by a table."""
    most = min(len(one), len(other))
    start = next((i for i in range(most) if one[i] != other[i]), most)
    end = next((i for i in range(most - start) if one[-1 - i] != other[-1 - i]), most - start)
    if start:
        yield 0, 0, start
    rows, cols = one[start : len(one) - end], other[start : len(other) - end]
    if len(rows) * len(cols) <= MOST_CELLS:
        pairs = _longest(rows, cols)
    else:
        blocks = SequenceMatcher(None, rows, cols).get_matching_blocks()
        pairs = [(block.a + k, block.b + k) for block in blocks for k in range(block.size)]
    pairs = [(start + i, start + j) for i, j in pairs]
    yield from _runs(pairs)
    if end:
        yield len(one) - end, len(other) - end, end


def _longest(one: Sequence[Any], other: Sequence[Any]) -> list[tuple[int, int]]:
    """A longest common subsequence, by the table of its lengths (Wagner and Fischer 1974), row by row."""
    if not one or not other:
        return []
    numbers = {token: number for number, token in enumerate(dict.fromkeys([*one, *other]))}
    a, b = (np.array([numbers[token] for token in tokens]) for tokens in (one, other))
    table = np.zeros((len(a) + 1, len(b) + 1), np.int32)
    for i, token in enumerate(a):
        # A row's own recurrence, the larger of its left neighbour and what comes from above, is a running maximum.
        table[i + 1, 1:] = np.maximum.accumulate(np.maximum(table[i, 1:], table[i, :-1] + (b == token)))
    pairs, i, j = [], len(a), len(b)
    while i and j:
        if a[i - 1] == b[j - 1]:
            i, j = i - 1, j - 1
            pairs.append((i, j))
        elif table[i - 1, j] >= table[i, j - 1]:
            i -= 1
        else:
            j -= 1
    return pairs[::-1]


def _runs(pairs: Sequence[tuple[int, int]]) -> Iterator[Run]:
    start = 0
    for at in range(1, len(pairs) + 1):
        if at == len(pairs) or pairs[at] != (pairs[at - 1][0] + 1, pairs[at - 1][1] + 1):
            yield *pairs[start], at - start
            start = at


def _substituted(equal: Sequence[Run], lengths: tuple[int, int]) -> Iterator[Run]:
    """The gaps that are as long on both axes."""
    i = j = 0
    for start, other, length in (*equal, (*lengths, 0)):
        if start - i == other - j > 0:
            yield i, j, start - i
        i, j = start + length, other + length


def _ranges(chosen: NDArray[np.bool_]) -> list[list[int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], chosen, [False]]).astype(np.int8)))
    return [[int(start), int(stop)] for start, stop in edges.reshape(-1, 2)]
