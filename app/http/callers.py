"""Who calls: API keys, rates, and callers who have gone away."""

import asyncio
import hmac
from collections.abc import Coroutine
from dataclasses import dataclass
from time import time
from typing import Any, TypeVar

from limits import RateLimitItem, parse_many
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from starlette.requests import Request

from heedmap.app.errors import RateLimited, Unauthorized, raises
from heedmap.app.service.store import owner_of
from heedmap.app.settings import Settings
from heedmap.model.errors import Cancelled

T = TypeVar("T")


@dataclass(frozen=True)
class Caller:
    """Whose traces are whose."""

    owner: str
    keyed: bool


class Gate:
    """Lets a request in, or says why not."""

    def __init__(self, settings: Settings) -> None:
        self.keys = [key.get_secret_value() for key in settings.api_keys]
        self.rates: list[RateLimitItem] = parse_many(settings.rate) if settings.rate else []
        self.limiter = MovingWindowRateLimiter(MemoryStorage()) if self.rates else None

    def admit(self, request: Request) -> Caller:
        """The caller of a request.

        Raises:
            Unauthorized: keys are on and this is none. RateLimited: too many requests.
        """
        caller = self._identify(request)
        address = request.client.host if request.client else "unknown"
        self._count(caller.owner if caller.keyed else address)
        return caller

    def _identify(self, request: Request) -> Caller:
        if not self.keys:
            return Caller(owner_of(None), keyed=False)
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        key_sent = request.headers.get("x-api-key") or (token.strip() if scheme.lower() == "bearer" else "")
        matching = [key for key in self.keys if hmac.compare_digest(key.encode(), key_sent.encode())]
        if not matching:
            raise Unauthorized(
                "send an API key of this service as X-API-Key or as Authorization: Bearer",
                headers={"WWW-Authenticate": "Bearer"},
            )
        return Caller(owner_of(matching[0]), keyed=True)

    def _count(self, who: str) -> None:
        for rate in self.rates:
            assert self.limiter is not None
            if not self.limiter.hit(rate, who):
                wait = max(1, round(self.limiter.get_window_stats(rate, who).reset_time - time() + 0.5))
                raise RateLimited(f"at most {rate} are answered", headers={"Retry-After": str(wait)})


@raises(Unauthorized, RateLimited)
async def admitted(request: Request) -> Caller:
    """A dependency: the caller, where it may call."""
    gate: Gate = request.app.state.gate
    return gate.admit(request)


async def while_waiting(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """The work's result; if the caller hangs up meanwhile, the work is cancelled.

    Raises:
        Cancelled: the caller hung up.
    """
    task = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise Cancelled("the caller went away")
        return task.result()
    finally:
        task.cancel()
        gone.cancel()
        await asyncio.gather(task, gone, return_exceptions=True)


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
