"""Until when a caller waits: the service's deadline, or a sooner one that the request names in Request-Timeout.

It counts from the moment the request came in. Lines and work under way ask for it; whatever else takes too long, such
as a body that trickles in, is ended here. Once an answer has begun it may take as long as its reader does.
"""

import asyncio
import math
import time
from typing import Annotated

from fastapi import Depends, Header
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from heedmap.app import ticket
from heedmap.app.errors import DeadlineExceeded, raises
from heedmap.app.http.callers import Caller, admitted
from heedmap.app.problems import problem_response
from heedmap.app.ticket import Ticket
from heedmap.model.errors import InputError, ParameterError

HEADER = "Request-Timeout"
NAME = HEADER.lower().encode()
SLACK = 0.25  # seconds after the deadline until it is enforced here: who works for the request says more about why


class Deadline:
    """Gives every request its ticket, and ends it when its time is over."""

    def __init__(self, app: ASGIApp, deadline: float) -> None:
        self.app, self.deadline = app, deadline

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        try:
            seconds = min(self.deadline, wanted(scope))
        except ParameterError as error:
            await problem_response(error)(scope, receive, send)
            return
        caller = scope["client"][0] if scope.get("client") else "unknown"
        begun = False

        async def started(message: Message) -> None:
            nonlocal begun
            if not begun:
                begun = True
                limit.reschedule(None)
            await send(message)

        try:
            now = time.monotonic()
            with ticket.bearing(Ticket(caller, now + seconds, now)):
                async with asyncio.timeout(seconds + SLACK) as limit:
                    await self.app(scope, receive, started)
        except TimeoutError:
            if begun:
                raise
            late = DeadlineExceeded(
                f"the answer took longer than {seconds:.3g} s; send less at once", headers={"Connection": "close"}
            )
            await problem_response(late)(scope, receive, send)


def wanted(scope: Scope) -> float:
    """The seconds that a request names; infinite where it names none.

    Raises:
        ParameterError: it names something else.
    """
    for name, value in scope["headers"]:
        if name == NAME:
            try:
                seconds = float(value)
            except ValueError:
                seconds = math.nan
            if not 0 < seconds < math.inf:
                raise ParameterError(
                    f"expected seconds over 0 such as 2.5, got {value[:40].decode('latin-1')!r}", field=HEADER
                )
            return seconds
    return math.inf


@raises(InputError, DeadlineExceeded)
async def ticketed(
    request: Request,
    caller: Annotated[Caller, Depends(admitted)],
    request_timeout: Annotated[
        str | None,
        Header(
            alias=HEADER,
            description="Seconds after which nobody waits for the answer any more: 504 then, or 503 at once where it "
            "cannot be had in time. The service's own deadline is the longest.",
        ),
    ] = None,
) -> None:
    """A dependency: callers with keys take turns by their keys, others by their addresses."""
    if caller.keyed:
        ticket.rename(caller.owner)
