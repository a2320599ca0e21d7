"""Whether the workers work: a dead one and one that hangs are told from those that are merely busy."""

import asyncio
import time
from collections.abc import Mapping

import structlog

from heedmap.app.service import garbage
from heedmap.app.service.engine import Engine

EVERY = 1.0  # seconds between two looks
REST = 1.0  # seconds without work after which memory is given back

log = structlog.get_logger("heedmap")


class Watchdog:
    """Looks after workers, by name.

    Args:
        hang: seconds without progress after which one counts as hung. Models are loaded elsewhere, and may take longer.
    """

    def __init__(self, workers: Mapping[str, Engine], hang: float) -> None:
        self.workers, self.hang = workers, hang
        self._reported: set[str] = set()
        self._given_back = 0.0  # when memory was

    def dead(self) -> list[str]:
        """Those that have ended."""
        return [name for name, worker in self.workers.items() if not worker.alive]

    def hung(self) -> list[str]:
        """Those whose work shows no progress."""
        return [name for name, worker in self.workers.items() if worker.silent() > self.hang]

    def look(self) -> None:
        """Say of each that hangs, once, that it does, and when it is well again."""
        hung = set(self.hung())
        for name in hung - self._reported:
            log.critical("worker_hangs", worker=name, seconds=round(self.workers[name].silent(), 1))
        for name in self._reported - hung:
            log.warning("worker_goes_on", worker=name)
        self._reported = hung

    def rests(self) -> bool:
        """Whether work has just ended, and nobody waits; asked after every rest, true once."""
        if any(worker.busy or worker.waiting for worker in self.workers.values()):
            return False
        ended = max(worker.left for worker in self.workers.values())
        if ended <= self._given_back or time.monotonic() - ended < REST:
            return False
        self._given_back = time.monotonic()
        return True

    async def watch(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            self.look()
            if self.rests():
                await asyncio.to_thread(garbage.give_back)
            await asyncio.sleep(EVERY)
