"""What every route works with, gathered in one object on the app."""

from dataclasses import dataclass

from starlette.requests import Request

from heedmap.app.http.callers import Caller
from heedmap.app.service.engine import Engine
from heedmap.app.service.metrics import Metrics
from heedmap.app.service.models import Models
from heedmap.app.service.store import StoredTrace, TraceStore
from heedmap.app.service.tiles import Tiles
from heedmap.app.settings import Settings


@dataclass
class Services:
    """The settings, the worker, the traces and the models of one app."""

    settings: Settings
    engine: Engine
    store: TraceStore
    metrics: Metrics
    models: Models
    tiles: Tiles

    async def trace(self, caller: Caller, identifier: str) -> StoredTrace:
        """A trace of the caller's, from memory or from its file.

        Raises:
            NotFound: the caller has no such trace. TraceError: its file is damaged.
        """
        held = self.store.peek(caller.owner, identifier)
        if held is not None:
            return held
        return await self.engine.run(lambda: self.store.get(caller.owner, identifier))


def services(request: Request) -> Services:
    """A dependency: the app's services."""
    found: Services = request.app.state.services
    return found
