"""What a model does while it answers, for whoever measures it: stages and their seconds, batches and their padding.

Nobody listens unless `observing` says so, and then it costs a microsecond a stage. A context variable carries the
observer, because between the service and a stage stand transformers' calls and those of the tasks.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol, runtime_checkable


@runtime_checkable
class Observer(Protocol):
    """Told on the thread that does the work, which it should cost nothing."""

    def stage(self, name: str, seconds: float) -> None:
        """A stage of the work is over, or was broken off."""

    def batch(self, rows: int, tokens: int, padding: int) -> None:
        """So many sequences go through the model together, with so many tokens, and so many more of padding."""


_observer: ContextVar[Observer | None] = ContextVar("observer", default=None)


@contextmanager
def observing(observer: Observer | None) -> Iterator[None]:
    """Tell this observer what is done meanwhile."""
    token = _observer.set(observer)
    try:
        yield
    finally:
        _observer.reset(token)


@contextmanager
def stage(name: str) -> Iterator[None]:
    """A stage of the work, such as tokenize, generate, forward, record or certify."""
    observer = _observer.get()
    if observer is None:
        yield
        return
    begun = time.perf_counter()
    try:
        yield
    finally:
        observer.stage(name, time.perf_counter() - begun)


def lasted(name: str, seconds: float) -> None:
    """A stage of one answer among several that are under way together took so long."""
    observer = _observer.get()
    if observer is not None:
        observer.stage(name, seconds)


def together(lengths: Sequence[int]) -> None:
    """Sequences of these lengths go through the model together, padded to the longest."""
    observer = _observer.get()
    if observer is not None and lengths:
        tokens = sum(lengths)
        observer.batch(len(lengths), tokens, len(lengths) * max(lengths) - tokens)
