"""Stores of traces in a folder, by a clock of the test's."""

from pathlib import Path

from heedmap.app.service.store import TraceStore

IDS = [f"{number:032x}" for number in range(4)]
DAY = 86_400.0


class Clock:
    """Time that moves when it is told to; from now, because expiry looks at file times."""

    def __init__(self) -> None:
        self.now = 2_000_000_000.0

    def __call__(self) -> float:
        return self.now


def opened(folder: Path, clock: Clock, budget: int = 1 << 30, memory: int = 1 << 30) -> TraceStore:
    store = TraceStore(folder, budget=budget, memory=memory, lifetime=DAY, clock=clock)
    store.open()
    return store
