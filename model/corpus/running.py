"""What is kept of a layer's heads while inputs go by: a weighted mean and deviation, and the inputs with most of it."""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

TOP = 5  # inputs of each head and measure: what is read at a glance

Values = NDArray[np.float64]


class Running:
    """The weighted mean and variance of one number per head (H,), in one pass and three arrays.

    mean_n = mean + w (x - mean) / W_n, and S_n = S + w (x - mean)(x - mean_n): West 1979, "Updating mean and variance
    estimates", Welford's recurrence with weights. Nothing is squared that is large, so nothing cancels.
    """

    def __init__(self, heads: int) -> None:
        self.weight, self.mean, self._squares = np.zeros(heads), np.zeros(heads), np.zeros(heads)

    def add(self, values: Values, weight: float) -> None:
        """One input: its values (H,), of which NaN counts for nothing, and over how many rows they are a mean."""
        weights = np.where(np.isnan(values), 0.0, weight)
        self.weight += weights
        apart = np.where(weights > 0, values - self.mean, 0.0)
        self.mean += apart * np.divide(weights, self.weight, out=np.zeros_like(weights), where=self.weight > 0)
        self._squares += weights * apart * np.where(weights > 0, values - self.mean, 0.0)

    @property
    def means(self) -> Values:
        """The mean of each head; NaN where there was nothing."""
        return np.where(self.weight > 0, self.mean, np.nan)

    @property
    def deviations(self) -> Values:
        """The standard deviation between inputs, each as heavy as its rows: of the inputs there were, not of others."""
        with np.errstate(invalid="ignore", divide="ignore"):
            deviations: Values = np.sqrt(self._squares / self.weight)
        return deviations


@dataclass(frozen=True)
class Passage:
    """One sequence that was measured: an input, or a part of one that was cut.

    number: of the sequence, in order. input: of the input it is of, from 0. line: of its file, from 1. name: of its
    file in a folder. start, stop: where of a text that was cut it stands, in characters.
    """

    number: int
    input: int
    text: str = ""
    line: int | None = None
    name: str | None = None
    start: int | None = None
    stop: int | None = None
    tokens: int = 0


@dataclass(order=True)
class _Entry:
    value: float
    later: int  # of equals the first stays
    passage: Passage = field(compare=False)


class Most:
    """Of each head the passages with the largest values: a heap of `keep` a head, whatever goes by."""

    def __init__(self, heads: int, keep: int = TOP) -> None:
        self.keep = keep
        self._heaps: list[list[_Entry]] = [[] for _ in range(heads)]
        self._least = np.full(heads, -np.inf)  # what a value must be over

    def add(self, values: Values, passage: Passage) -> None:
        """The values (H,) of one passage; NaN is none."""
        for head in np.flatnonzero(values > self._least):
            heap, entry = self._heaps[head], _Entry(float(values[head]), -passage.number, passage)
            if len(heap) < self.keep:
                heapq.heappush(heap, entry)
            else:
                heapq.heapreplace(heap, entry)
            if len(heap) == self.keep:
                self._least[head] = heap[0].value

    def of(self, head: int) -> list[tuple[Passage, float]]:
        """A head's passages, the one with most first."""
        return [(entry.passage, entry.value) for entry in sorted(self._heaps[head], reverse=True)]

    def passages(self) -> Iterator[Passage]:
        """All that are kept, perhaps more than once."""
        for heap in self._heaps:
            for entry in heap:
                yield entry.passage
