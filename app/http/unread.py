"""Answers that wait to be read: bounded together, so that callers who do not read them fill no memory.

A response is handed on in pieces, each when the one before is nearly read; so its bytes are counted from its first
piece to its last. Who would be over the limit is told to come back instead, and its answer is let go.
"""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from heedmap.app.errors import Overloaded
from heedmap.app.problems import problem_response

PIECE = 64 << 10  # bytes: what is no larger goes at once, and is in the connection's own buffer
TOGETHER = 4  # of the largest answers that may wait at once


class Answers:
    """Lets answers wait up to so many bytes in all; small ones always."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self.app, self.limit = app, limit
        self.bytes = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start: Message | None = None
        refused = False

        async def sent(message: Message) -> None:
            nonlocal start, refused
            if message["type"] == "http.response.start" and _length(message) > PIECE:
                start = message
                return
            body = message.get("body", b"")
            if start is not None:
                if len(body) > PIECE and self.bytes and self.bytes + len(body) > self.limit:
                    refused = True
                    detail = "too many answers wait to be read; try again in a moment, or ask for less at once"
                    await problem_response(Overloaded(detail, headers={"Retry-After": "1"}))(scope, receive, send)
                    return
                first, start = start, None
                await send(first)
            if refused:
                return
            if len(body) <= PIECE:
                await send(message)
                return
            self.bytes += len(body)
            try:
                for at in range(0, len(body), PIECE):
                    more = message.get("more_body", False) or at + PIECE < len(body)
                    await send({**message, "body": bytes(body[at : at + PIECE]), "more_body": more})
            finally:
                self.bytes -= len(body)

        await self.app(scope, receive, sent)


def _length(start: Message) -> int:
    """The Content-Length of a response; 0 where it is a stream."""
    length: bytes = dict(start.get("headers", ())).get(b"content-length", b"0")
    return int(length)
