"""What every route works with, gathered in one object on the app."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

from starlette.requests import Request

from heedmap.app.errors import ServiceError
from heedmap.app.http.callers import Caller
from heedmap.app.service.engine import Engine
from heedmap.app.service.metrics import Metrics
from heedmap.app.service.models import Models
from heedmap.app.service.store import TraceStore
from heedmap.app.service.stored_trace import StoredTrace
from heedmap.app.service.tiles import Tiles
from heedmap.app.settings import Settings
from heedmap.model.errors import HeedmapError

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
    opening: dict[tuple[str, str], "asyncio.Task[StoredTrace | Exception]"] = field(default_factory=dict)
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
        key = caller.owner, identifier
        if key not in self.opening:
            task = asyncio.create_task(self._open(*key))
            task.add_done_callback(lambda done: self.opening.pop(key, None))
            self.opening[key] = task
        outcome = await asyncio.shield(self.opening[key])  # one who goes away stops nobody else's
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def _open(self, owner: str, identifier: str) -> StoredTrace | Exception:
        """A trace from its file, read and checked a few megabytes at a time; or what went wrong, for all who wait."""
        try:
            if self.store.remote:
                await self.write(lambda: self.store.confirm(owner, identifier))
            *_, held = await self.reading.run_turns(self.store.opening(owner, identifier))
        except (ServiceError, HeedmapError) as error:
            return error.with_traceback(None)  # which holds what was read
        assert held is not None
        return held


def services(request: Request) -> Services:
    """A dependency: the app's services."""
    bundle: Services = request.app.state.services
    return bundle
