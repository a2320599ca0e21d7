"""HTTP/1.1 as uvicorn speaks it, for callers who are slow, silent or endless: each takes little, and not for long.

uvicorn bounds the time between two requests and nothing else. A head may be endless, and is kept; whoever begins one,
or a body, may take for ever; and an answer that nobody reads is kept as long as its connection stands.
"""

import asyncio
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, cast

import orjson
import structlog
from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from heedmap.app.dialects import MEDIA_TYPE
from heedmap.app.errors import BadRequest, HeadTooLarge, Overloaded, RateLimited, ServiceError, TooSlow
from heedmap.app.http import request_ids
from heedmap.app.problems import problem
from heedmap.app.settings import Settings

HEAD_BYTES = 32 << 10  # of an address and its headers, or of trailers: browsers and proxies stop at 8 to 16 KiB
DRAINED = 64 << 20  # bytes of a body that are thrown away after its answer: more than any that is read has
BODY_RATE = 1 << 10  # bytes a second that whoever sends a body keeps up: a modem is six times as fast
KEPT_FREE = 8  # one connection in so many is kept for addresses other than the one that has most of them
LOOKS = 4  # times that a connection is looked at within the shortest of its times

Refused = Callable[[str, int], None]
log = structlog.get_logger("heedmap")


@dataclass(frozen=True)
class Limits:
    """Seconds for a head, of grace for a body, and for an answer that makes no progress; connections at once.

    shared: whether an address may have all of them, as that of a proxy may.
    refused: told of the type and the status of what is refused here.
    """

    head: float
    body: float
    answer: float
    connections: int
    refused: Refused
    shared: bool = False

    @property
    def period(self) -> float:
        """Seconds between two looks at a connection."""
        return min(self.head, self.body, self.answer) / LOOKS


class _Refused(Exception):
    """Stops the parser; what is wrong stands in the protocol's `refusal`."""


class LimitedProtocol(HttpToolsProtocol):
    """uvicorn's protocol with limits; `limited` makes it for some settings."""

    limits: ClassVar[Limits]
    peers: ClassVar[Counter[str]]  # connections by address
    refusal: ServiceError | None = None
    _head_since: float | None = None  # while a head is due
    _head_bytes = 0
    _unparsed = 0  # bytes since the parser last had something whole of a body or a head
    _body_since: float | None = None  # while a body is due: when its present stretch began
    _body_bytes = 0
    _drained = 0
    _unread = 0  # bytes of answers that were waiting to be read when that was last looked at
    _progress = 0.0
    _look: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A new caller, where there is room for one."""
        super().connection_made(transport)
        self._head_since = self._progress = self.loop.time()
        self._look = self.loop.call_later(self.limits.period, self._watch)
        peer = self.client[0] if self.client else ""
        self.peers[peer] += 1
        most = self.limits.connections
        if len(self.connections) > most:
            self._refuse(Overloaded("there are too many connections; try again", headers={"Retry-After": "1"}))
        elif not self.limits.shared and self.peers[peer] > most - most // KEPT_FREE:
            detail = f"{self.peers[peer] - 1} of the {most} connections that there may be are yours; keep them and wait"
            self._refuse(RateLimited(detail, headers={"Retry-After": "1"}))

    def connection_lost(self, exc: Exception | None) -> None:
        """The end, whoever made it."""
        if self._look is not None:
            self._look.cancel()
            peer = self.client[0] if self.client else ""
            self.peers[peer] -= 1
            if not self.peers[peer]:
                del self.peers[peer]
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Some bytes of a request."""
        if self.transport.is_closing():
            return
        self._unparsed += len(data)
        self._body_bytes += len(data)
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._unparsed > HEAD_BYTES:
            self._refuse(_too_large())
        waits = not self._answering()
        if waits and self._body_since is None and self._head_since is None:
            self._head_since = self.loop.time()  # blank lines after an answer end uvicorn's patience too

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._head_bytes = self._unparsed = 0
        if self._head_since is None:
            self._head_since = self.loop.time()

    def on_url(self, url: bytes) -> None:
        """A piece of its address."""
        self._count_head(url)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """One of its headers, or of its trailers."""
        self._count_head(name, value)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """It can be answered."""
        self._head_since, self._unparsed, self._drained = None, 0, 0
        self._body_since, self._body_bytes = self.loop.time(), 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A piece of its body."""
        self._unparsed = 0
        if self.cycle.response_complete:
            self._drained += len(body)
            if self._drained > DRAINED:
                self.transport.close()
        super().on_body(body)

    def on_message_complete(self) -> None:
        """All of it is here."""
        self._body_since = None
        super().on_message_complete()

    def resume_writing(self) -> None:
        """The caller has read most of what was waiting for it."""
        self._progress = self.loop.time()
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        """What the parser cannot read, or was told to read no further."""
        self._refuse(self.refusal or BadRequest(f"this is no request of HTTP/1.1: {msg}"))

    def _answering(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle  # which there is none of before the first request
        return cycle is not None and not cycle.response_complete

    def _count_head(self, *parts: bytes) -> None:
        self._head_bytes += sum(map(len, parts)) + len(b": \r\n")
        if self._head_bytes > HEAD_BYTES:
            self.refusal = _too_large()
            raise _Refused

    def _watch(self) -> None:
        """Whether the caller keeps up; asked as long as the connection stands."""
        now = self.loop.time()
        self._look = self.loop.call_later(self.limits.period, self._watch)
        waiting = self.transport.get_write_buffer_size()
        unread = waiting + (_queued(self.transport) if waiting else 0)
        if not waiting or unread < self._unread:
            self._progress = now
        elif now - self._progress > self.limits.answer:
            self.transport.abort()
        self._unread = unread
        if self.transport.is_closing():
            return
        if self._head_since is not None and now - self._head_since > self.limits.head:
            self._refuse(TooSlow(f"the request's head was not here within {self.limits.head:g} s"))
        elif self._body_since is not None and self.flow.read_paused:  # it is we who do not read
            self._body_since, self._body_bytes = now, 0
        elif self._body_since is not None and (seconds := now - self._body_since) > self.limits.body:
            if self._body_bytes < BODY_RATE * seconds:
                self._refuse(TooSlow(f"the body comes in at under {BODY_RATE:,} bytes a second"))
            self._body_since, self._body_bytes = now, 0

    def _refuse(self, error: ServiceError) -> None:
        """Say why, where no answer is on its way already, and close."""
        answering = self._answering()
        if self._head_since is not None:  # of another request, perhaps, than the one that is being answered
            silent = isinstance(error, TooSlow) and not self._unparsed and not self._head_bytes
            speaks = not answering and not silent
        else:
            speaks = answering and not self.cycle.response_started and not self.pipeline
        if speaks:
            body = problem(error)
            body["request_id"] = name = (
                request_ids.begin(cast(Scope, self.scope)).ids[0] if answering else request_ids.new_id()
            )
            content = orjson.dumps(body)
            headers = {"content-type": MEDIA_TYPE, "content-length": str(len(content)), "connection": "close"}
            headers["x-request-id"] = name
            log.info("refused", status=error.status, cause=error.detail, request_id=name)
            lines = "".join(f"{name}: {value}\r\n" for name, value in {**headers, **error.headers}.items())
            self.limits.refused(body["type"], error.status)
            self.transport.write(STATUS_LINE[error.status] + lines.encode("latin-1") + b"\r\n" + content)
        self.transport.close()


def _queued(transport: asyncio.Transport) -> int:
    """Bytes that the system holds and the caller has not had: megabytes, which go before more are taken from us."""
    try:
        import fcntl
        import termios

        size = fcntl.ioctl(transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, bytes(4))
    except (ImportError, AttributeError, OSError):  # the connection has gone, or this system does not tell
        return 0
    return int.from_bytes(size, sys.byteorder)


def _too_large() -> HeadTooLarge:
    return HeadTooLarge(f"the address and the headers of a request may have {HEAD_BYTES:,} bytes at most")


def limited(settings: Settings, refused: Refused = lambda kind, status: None) -> type[LimitedProtocol]:
    """The protocol with the limits of some settings; `refused` is told of what it refuses."""
    seconds = settings.head_seconds, settings.body_seconds, settings.answer_seconds
    limits = Limits(*seconds, settings.connections, refused, shared=bool(settings.proxies))
    namespace: dict[str, Any] = {"limits": limits, "peers": Counter()}
    return type("LimitedProtocol", (LimitedProtocol,), namespace)
