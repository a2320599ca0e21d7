"""JSON answers in gzip for callers who take it: a head's statistics or a model's card shrink to a fifth.

Only whole bodies: an event stream goes as it comes. An answer in another encoding is another representation, so its
strong ETag is another one too (RFC 9110, section 8.8.3.3).
"""

import gzip

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from heedmap.app.http.caching import SUFFIX, takes_gzip

LEAST = 1000  # bytes: with their headers, fewer fill one packet in either form
MOST = 4 << 20  # who wants more at once is near, or better served by npy: a second of a core helps neither
BESIDE = 64 << 10  # what is larger is packed beside the event loop
QUOTE = '"'
LEVEL = 1  # numbers hardly shrink further, and the level that is the default takes three times as long


class Gzip:
    """Packs JSON bodies that come in one piece."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        asked = Headers(scope=scope)
        start: Message | None = None

        async def packing(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                if message["status"] == 304:
                    _name_again(message, asked)
                if _is_json(message):
                    start = message
                    return
            elif start is not None:
                first, start = start, None
                message = await _packed(first, message, takes_gzip(asked.get("accept-encoding", "")))
                await send(first)
            await send(message)

        await self.app(scope, receive, packing)


def _is_json(start: Message) -> bool:
    """Whether what follows is JSON as it was written."""
    headers = Headers(raw=start["headers"])
    kind = headers.get("content-type", "").partition(";")[0]
    return (kind == "application/json" or kind.endswith("+json")) and "content-encoding" not in headers


async def _packed(start: Message, message: Message, taken: bool) -> Message:
    """The body as it is sent, and the headers made to say so."""
    body = message.get("body", b"")
    if message.get("more_body", False) or not LEAST < len(body) <= MOST:
        return message
    headers = MutableHeaders(raw=start["headers"])
    headers.add_vary_header("Accept-Encoding")
    if not taken:
        return message
    small = await run_in_threadpool(_pack, body) if len(body) > BESIDE else _pack(body)
    headers["Content-Encoding"] = "gzip"
    headers["Content-Length"] = str(len(small))
    if "etag" in headers:
        headers["ETag"] = f"{headers['etag'].removesuffix(QUOTE)}{SUFFIX}{QUOTE}"
    return {**message, "body": small}


def _pack(body: bytes) -> bytes:
    return gzip.compress(body, LEVEL, mtime=0)


def _name_again(start: Message, asked: Headers) -> None:
    """An answer that is current is named as the caller has it."""
    headers = MutableHeaders(raw=start["headers"])
    packed = f"{headers.get('etag', '').removesuffix(QUOTE)}{SUFFIX}{QUOTE}"
    if packed in asked.get("if-none-match", ""):
        headers["ETag"] = packed
