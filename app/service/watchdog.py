"""Whether the workers work: a dead one and one that hangs are told from those that are merely busy."""

import asyncio
from collections.abc import Mapping

import structlog

from heedmap.app.service.engine import Engine

EVERY = 1.0  # seconds between two looks

log = structlog.get_logger("heedmap")


class Watchdog:
    """Looks after workers, by name.

    Args:
        hang: seconds without progress after which one counts as hung. Models are loaded elsewhere, and may take longer.
    """

    def __init__(self, workers: Mapping[str, Engine], hang: float) -> None:
        self.workers, self.hang = workers, hang
        self._reported: set[str] = set()

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

    async def watch(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(EVERY)
