"""A corpus step by step: texts are cut to what the model reads, traces measured and let go; for a job and a command."""

import re
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from heedmap.app.service.jobs.kind import Work
from heedmap.model.contract import Parameters, Prediction, Request
from heedmap.model.corpus.heads import Heads
from heedmap.model.corpus.running import Passage
from heedmap.model.errors import HeedmapError, InputTooLong
from heedmap.model.trace.trace import Trace

TOGETHER = 8  # inputs a step: about a second of a sentence model on a CPU
LEAST_CHARACTERS = 16  # of a part of a text: what is too long at that is no matter of length
NEAR = 0.25  # of a text, around its middle, in which a place is looked for where it can be cut
BREAKS = (re.compile(r"\n"), re.compile(r"[.!?\u3002\uff01\uff1f]\s*"), re.compile(r"\s+"))  # the best first


@dataclass(frozen=True, eq=False)
class Item:
    """One thing to measure: what the model reads, the output that is given to it, if one is, and what it is called."""

    inputs: Any
    passage: Passage
    target: str | None = None

    def halves(self) -> tuple["Item", "Item"] | None:
        """A text as two, cut where a line, a sentence or a word ends, near its middle; None of what cannot be cut."""
        text = self.inputs
        if not isinstance(text, str) or self.target is not None or len(text) < 2 * LEAST_CHARACTERS:
            return None
        at, start = cut_near_middle(text), self.passage.start or 0
        first, second = (start, start + at), (start + at, start + len(text))
        return self._part(text[:at], *first), self._part(text[at:], *second)

    def _part(self, text: str, start: int, stop: int) -> "Item":
        return replace(self, inputs=text, passage=replace(self.passage, text=text, start=start, stop=stop))


Outcome = Prediction | HeedmapError
Told = Callable[[Item, Outcome], object]


def cut_near_middle(text: str) -> int:
    """Where to cut a text in two: behind what ends a line, a sentence or a word, else in its middle."""
    middle, near = len(text) // 2, int(len(text) * NEAR)
    for found in BREAKS:
        ends = [match.end() for match in found.finditer(text, middle - near, middle + near)]
        if ends:
            return min(ends, key=lambda end: abs(end - middle))
    return middle


def pieces(item: Item, longest: int) -> Iterator[Item]:
    """A text in parts of at most so many characters, in order."""
    waiting = [item]
    while waiting:
        part = waiting.pop()
        halves = part.halves() if isinstance(part.inputs, str) and len(part.inputs) > longest else None
        if halves is None:
            yield part
        else:
            waiting += reversed(halves)


def measured(
    work: Work, items: Iterable[Item], parameters: Parameters, heads: Heads, told: Told, together: int = TOGETHER
) -> Generator[int]:
    """Measure item after item, a few in a batch: yields after each batch how many of `items` are done.

    What is too long for the model is cut in two until it fits, or is told of as an error.

    Args:
        heads: what the traces are given to; what is in it holds also where the work is broken off.
        told: called with each sequence, the parts of a text in order, and what came of it.

    Raises:
        Cancelled: the job is over.
    """
    waiting: deque[Item] = deque()
    source, taken = iter(items), 0
    while True:
        fresh = list(islice(source, max(0, together - len(waiting))))
        taken += len(fresh)
        waiting += fresh
        if not waiting:
            return
        batch = [waiting.popleft() for _ in range(min(together, len(waiting)))]
        outcomes = work.record([Request(item.inputs, item.target, parameters) for item in batch])
        for item, outcome in zip(batch, outcomes, strict=True):
            halves = item.halves() if isinstance(outcome, InputTooLong) else None
            if halves is not None:
                waiting.extendleft(reversed(halves))
            elif isinstance(outcome, Trace):
                heads.add(outcome, replace(item.passage, number=heads.sequences))
                told(item, outcome.prediction)
            else:
                told(item, outcome)
        yield taken - len({item.passage.input for item in waiting})


def summary(heads: Heads) -> dict[str, Any]:
    """What a corpus came to, as JSON."""
    return {
        "recorded": heads.sequences,
        "tokens": heads.tokens,
        "metrics": heads.metrics(),
        "sites": heads.sites(),
        "heads": heads.table(),
        "passages": [described(passage) for passage in heads.passages()],
    }


def described(passage: Passage) -> dict[str, Any]:
    """A passage as JSON: what is not known of it stays away."""
    parts = {"line": passage.line, "name": passage.name, "start": passage.start, "stop": passage.stop}
    known = {name: value for name, value in parts.items() if value is not None}
    return {"number": passage.number, "input": passage.input, "text": passage.text, "tokens": passage.tokens, **known}
