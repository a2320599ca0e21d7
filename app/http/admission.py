"""Refusals at the door: while a line is full, nobody's body is read to find that out.

It stands before everything else, and answers with bytes that are made once: whoever asks again and again, which an
overloaded service makes everybody do, costs it next to nothing.
"""

import time
from collections.abc import Callable, Mapping

import orjson
import structlog
from starlette.types import ASGIApp, Receive, Scope, Send

from heedmap.app.errors import Overloaded, RateLimited, ServiceError, Stopping
from heedmap.app.http import request_ids
from heedmap.app.problems import MEDIA_TYPE, problem
from heedmap.app.service.engine import Engine
from heedmap.app.service.metrics import Metrics

DRAINED = 1 << 20  # bytes of an unread body that are let in and forgotten; after a longer one the connection is closed
PROBES = ("/healthz", "/readyz", "/metrics")  # answered until the end
AGAIN = b"2"  # seconds after which whoever asks a service that is being stopped may ask again
DOOR = "door"  # the line of who is refused before any
EVERY = 0.5  # seconds that a line in the log, and a look at how long the line is, stand for

log = structlog.get_logger("heedmap")


class Admission:
    """Refuses what would be refused anyway, and everything once the service is being stopped.

    Args:
        lines: by path, the line that a POST would wait in.
        stopping: whether the service is being stopped.
        crossing: whether pages elsewhere may call, whose refusals need headers that others give.
        keyed: whether callers are known by keys, not by their addresses.
    """

    def __init__(
        self,
        app: ASGIApp,
        lines: Mapping[str, Engine],
        metrics: Metrics,
        stopping: Callable[[], bool],
        crossing: bool = False,
        keyed: bool = False,
    ) -> None:
        self.app, self.lines, self.metrics, self.stopping = app, lines, metrics, stopping
        self.crossing, self.keyed = crossing, keyed
        self._answers = {
            "full": _Prepared(Overloaded("more calls are waiting already than may; try again in a moment")),
            "share": _Prepared(RateLimited("most of the calls that wait are yours; wait for their answers")),
            "stopping": _Prepared(Stopping("the service is being stopped; ask again in a moment")),
        }
        self._refused, self._logged = 0, 0.0
        self._again: dict[str, tuple[float, bytes]] = {}  # when it was asked last, and what Retry-After was

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_ids.begin(scope)
        if self.stopping() and not scope["path"].endswith(PROBES):
            await self._refuse(scope, send, "stopping", AGAIN)
            return
        if scope["method"] == "POST":
            line = self.lines.get(scope["path"].removeprefix(scope.get("root_path", "")))
            if line is not None and not (self.crossing and _has(scope, b"origin")):
                cause = "full" if line.full else "share" if self._over_share(scope, line) else None
                if cause is not None:
                    self._note(scope["path"])
                    await self._refuse(scope, send, cause, self._retry_after(scope["path"], line), line.name)
                    return
        await self.app(scope, receive, send)

    def _over_share(self, scope: Scope, line: Engine) -> bool:
        """Of callers without keys, whom their address names; others are known further in."""
        return not self.keyed and bool(scope.get("client")) and line.admission.over_share(scope["client"][0])

    async def _refuse(self, scope: Scope, send: Send, cause: str, again: bytes, line: str = DOOR) -> None:
        answer = self._answers[cause]
        self.metrics.refusals.labels(cause, line).inc()
        self.metrics.errors.labels(answer.type, answer.status).inc()
        identifier = request_ids.begin(scope).ids[0].encode()
        body, length = answer.body(identifier), b"0"
        for name, value in scope["headers"]:
            if name == b"content-length":
                length = value
            elif name == b"transfer-encoding":
                length = b""
        headers = [
            (b"content-type", MEDIA_TYPE.encode()),
            (b"content-length", b"%d" % len(body)),
            (b"retry-after", again),
            (b"x-request-id", identifier),
            (b"x-content-type-options", b"nosniff"),
        ]
        if cause == "stopping" or not (length.isdigit() and int(length) <= DRAINED):
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _retry_after(self, path: str, line: Engine) -> bytes:
        now = time.monotonic()
        asked, value = self._again.get(path, (-EVERY, b""))
        if now - asked >= EVERY:
            value = line.retry_after.encode()
            self._again[path] = now, value
        return value

    def _note(self, path: str) -> None:
        self._refused += 1
        now = time.monotonic()
        if now - self._logged > EVERY:
            log.warning("overloaded", path=path, refused=self._refused)
            self._refused, self._logged = 0, now


def _has(scope: Scope, header: bytes) -> bool:
    return any(name == header for name, _ in scope["headers"])


class _Prepared:
    """An error body but for the request's id, which is its last member."""

    def __init__(self, error: ServiceError) -> None:
        body = problem(error)
        body.pop("request_id", None)  # of whoever makes this application
        self.status, self.type = error.status, str(body["type"])
        self._beginning = orjson.dumps(body).removesuffix(b"}") + b',"request_id":"'

    def body(self, identifier: bytes) -> bytes:
        """The whole of it; an id has nothing that JSON would escape."""
        return self._beginning + identifier + b'"}'
