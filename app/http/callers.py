"""Who calls, and callers who have gone away."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.requests import Request

from heedmap.app.errors import Forbidden, Misdirected, RateLimited, Unauthorized, raises
from heedmap.app.http.access.gate import CALLER, Caller, Gate
from heedmap.model.errors import Cancelled

__all__ = ["Caller", "admitted", "while_waiting"]
T = TypeVar("T")


@raises(Unauthorized, Forbidden, Misdirected, RateLimited)
async def admitted(request: Request) -> Caller:
    """A dependency: the caller, whom the gate has let in."""
    caller: Caller | None = request.scope.get(CALLER)
    if caller is None:  # a route of callers that the gate does not know for one: it is asked here
        gate: Gate = request.app.state.gate
        caller = gate.admit(request.scope)
    return caller


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
