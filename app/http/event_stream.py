"""Server-sent events: begun when the first is there, kept alive while none comes, and cut where nobody reads them."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from heedmap.app.http.callers import while_waiting
from heedmap.app.problems import problem, status_of
from heedmap.app.service.stream import event
from heedmap.model.errors import Cancelled

PING_SECONDS = 10.0  # of silence: proxies give up on a connection after thirty or sixty
SEND_SECONDS = 20.0  # that one event may wait for room: whoever reads nothing for so long is not there any more
PING = b": ping\n\n"
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}  # the second is for nginx, which would gather events
SCHEMA = {
    "type": "object",
    "description": "An event: `start`, `token`, `end` or `error`, with a line of JSON.",
    "properties": {"event": {"enum": ["start", "token", "end", "error"]}, "data": {"type": "string"}},
}

log = structlog.get_logger("heedmap")


def failed(error: Exception) -> bytes:
    """The last event of what fails after its first."""
    return event("error", problem(error))


async def begin(
    request: Request, events: AsyncGenerator[bytes, None], failure: Callable[[Exception], bytes] = failed
) -> Response:
    """The response that sends these events; what fails before the first of them is raised, and has its own status.

    failure: the last event of what fails later.

    Raises:
        Cancelled: the caller hung up before the first event.
    """
    stream = kept_alive(_ended(events, failure))
    first = await while_waiting(request, anext(stream))
    return EventStream(first, stream)


async def kept_alive(events: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    """The same events, with a comment wherever none has come for a while."""
    async with aclosing(events):
        following = asyncio.ensure_future(anext(events, None))
        try:
            while True:
                await asyncio.wait({following}, timeout=PING_SECONDS)
                if not following.done():
                    yield PING
                    continue
                if (data := following.result()) is None:
                    return
                yield data
                following = asyncio.ensure_future(anext(events, None))
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)


async def _ended(
    events: AsyncGenerator[bytes, None], failure: Callable[[Exception], bytes] = failed
) -> AsyncGenerator[bytes, None]:
    """The same events; what fails after the first of them is the last."""
    begun = False
    async with aclosing(events):
        try:
            async for data in events:
                yield data
                begun = True
        except Exception as error:
            if not begun:
                raise
            if status_of(error) == 500:
                log.error("stream_failed", cause=repr(error.__cause__ or error), exc_info=error.__cause__)
            yield failure(error)


class EventStream(Response):
    """Sends events as they come."""

    media_type = "text/event-stream"

    def __init__(self, first: bytes, stream: AsyncGenerator[bytes, None]) -> None:
        super().__init__(None, 200, HEADERS)
        del self.headers["content-length"]
        self.first, self.stream = first, stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until the events are over, the reader has gone, or it takes none of them."""
        try:
            await while_waiting(Request(scope, receive), self._send(send))
        except Cancelled:  # it hung up
            return
        except TimeoutError:  # the response stays without an end, and the connection is closed
            log.warning("slow_reader_cut", path=scope["path"])

    async def _send(self, send: Send) -> None:
        async with aclosing(self.stream):
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            await self._event(send, self.first)
            async for data in self.stream:
                await self._event(send, data)
            await send({"type": "http.response.body", "body": b""})

    async def _event(self, send: Send, data: bytes) -> None:
        async with asyncio.timeout(SEND_SECONDS):
            await send({"type": "http.response.body", "body": data, "more_body": True})
