"""What every route works with, gathered in one object on the app."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

from starlette.requests import Request

from heedmap.app.http.callers import Caller
from heedmap.app.service.engine import Engine
from heedmap.app.service.metrics import Metrics
from heedmap.app.service.models import Models
from heedmap.app.service.store import TraceStore
from heedmap.app.service.stored_trace import StoredTrace
from heedmap.app.service.tiles import Tiles
from heedmap.app.settings import Settings

WRITERS = 4  # traces written at once: each waits for the disk, and no reader waits for them
T = TypeVar("T")


@dataclass
class Services:
    """The settings, the workers, the traces and the models of one app."""

    settings: Settings
    engine: Engine  # the device's
    reading: Engine
    store: TraceStore
    metrics: Metrics
    models: Models
    tiles: Tiles
    writers: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(WRITERS, "heedmap-writing"))

    @property
    def alive(self) -> bool:
        """Whether all workers live."""
        return self.engine.alive and self.reading.alive

    async def write(self, function: Callable[[], T]) -> T:
        """Run what writes files; once begun it is done, whether somebody waits for it or not."""
        return await asyncio.get_running_loop().run_in_executor(self.writers, function)

    async def trace(self, caller: Caller, identifier: str) -> StoredTrace:
        """A trace of the caller's, from memory or from its file.

        Raises:
            NotFound: the caller has no such trace. TraceError: its file is damaged.
        """
        held = self.store.peek(caller.owner, identifier)
        if held is not None:
            return held
        return await self.reading.run(lambda: self.store.get(caller.owner, identifier))


def services(request: Request) -> Services:
    """A dependency: the app's services."""
    bundle: Services = request.app.state.services
    return bundle
