"""Refusals at the door: while a line is full, nobody's body is read to find that out.

It stands before everything else, and answers with bytes that are made once: whoever asks again and again, which an
overloaded service makes everybody do, costs it next to nothing.
"""

import asyncio
import time
from collections.abc import Callable

import orjson
import structlog
from starlette.types import ASGIApp, Receive, Scope, Send

from heedmap.app.dialects import HOUSE, Dialect, dialect_of
from heedmap.app.errors import Overloaded, RateLimited, ServiceError, Stopping
from heedmap.app.http import request_ids
from heedmap.app.problems import path_of, problem
from heedmap.app.service.engine import Engine
from heedmap.app.service.metrics import Metrics

DRAINED = 1 << 20  # bytes of an unread body that are let in and forgotten; after a longer one the connection is closed
PROBES = ("/healthz", "/readyz", "/metrics", "/v2/health/live", "/v2/health/ready")  # answered until the end
AGAIN = b"2"  # seconds after which whoever asks a service that is being stopped may ask again
DOOR = "door"  # the line of who is refused before any
MANY = 50  # refusals within `EVERY` from which on each is held
HOLD = 0.02  # seconds: who asks again at once then asks half as often, and the service's cores are for the others
EVERY = 0.5  # seconds that a line in the log, and a look at how long the line is, stand for

log = structlog.get_logger("heedmap")


class Admission:
    """Refuses what would be refused anyway, and everything once the service is being stopped.

    Args:
        line_of: the line that a POST to a path would wait in; None where it waits in none.
        stopping: whether the service is being stopped.
        crossing: whether pages elsewhere may call, whose refusals need headers that others give.
        keyed: whether callers are known by keys, not by their addresses.
    """

    def __init__(
        self,
        app: ASGIApp,
        line_of: Callable[[str], Engine | None],
        metrics: Metrics,
        stopping: Callable[[], bool],
        crossing: bool = False,
        keyed: bool = False,
    ) -> None:
        self.app, self.line_of, self.metrics, self.stopping = app, line_of, metrics, stopping
        self.crossing, self.keyed = crossing, keyed
        self._causes: dict[str, ServiceError] = {
            "full": Overloaded("more calls are waiting already than may; try again in a moment"),
            "share": RateLimited("most of the calls that wait are yours; wait for their answers"),
            "stopping": Stopping("the service is being stopped; ask again in a moment"),
        }
        self._answers: dict[tuple[str, Dialect], _Prepared] = {}  # each is made once
        self._refused, self._logged, self._held = 0, 0.0, False
        self._again: dict[Engine, tuple[float, bytes]] = {}  # when a line was asked last, and what Retry-After was

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_ids.begin(scope)
        if self.stopping() and not scope["path"].endswith(PROBES):
            await self._refuse(scope, send, "stopping", AGAIN)
            return
        if scope["method"] == "POST":
            line = self.line_of(path_of(scope))
            if line is not None and not (self.crossing and _has(scope, b"origin")):
                cause = "full" if line.full else "share" if self._over_share(scope, line) else None
                if cause is not None:
                    self._note(scope["path"])
                    await self._refuse(scope, send, cause, self._retry_after(line), line.name)
                    return
        await self.app(scope, receive, send)

    def _over_share(self, scope: Scope, line: Engine) -> bool:
        """Of callers without keys, whom their address names; others are known further in."""
        return not self.keyed and bool(scope.get("client")) and line.admission.over_share(scope["client"][0])

    async def _refuse(self, scope: Scope, send: Send, cause: str, again: bytes, line: str = DOOR) -> None:
        answer = self._answer(cause, path_of(scope))
        self.metrics.refusals.labels(cause, line).inc()
        self.metrics.errors.labels(answer.type, answer.status).inc()
        if cause != "stopping" and (self._held or self._refused > MANY):
            await asyncio.sleep(HOLD)
        identifier = request_ids.begin(scope).ids[0].encode()
        body, length = answer.body(identifier), b"0"
        for name, value in scope["headers"]:
            if name == b"content-length":
                length = value
            elif name == b"transfer-encoding":
                length = b""
        headers = [
            (b"content-type", answer.media_type),
            (b"content-length", b"%d" % len(body)),
            (b"retry-after", again),
            (b"x-request-id", identifier),
            (b"x-content-type-options", b"nosniff"),
        ]
        if cause == "stopping" or not (length.isdigit() and int(length) <= DRAINED):
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _answer(self, cause: str, path: str) -> "_Prepared":
        key = cause, dialect_of(path)
        if key not in self._answers:
            self._answers[key] = _Prepared(self._causes[cause], path)
        return self._answers[key]

    def _retry_after(self, line: Engine) -> bytes:
        now = time.monotonic()
        asked, value = self._again.get(line, (-EVERY, b""))
        if now - asked >= EVERY:
            value = line.retry_after.encode()
            self._again[line] = now, value
        return value

    def _note(self, path: str) -> None:
        self._refused += 1
        now = time.monotonic()
        if now - self._logged > EVERY:
            log.warning("overloaded", path=path, refused=self._refused)
            self._held = self._refused > MANY and now - self._logged < 2 * EVERY
            self._refused, self._logged = 0, now


def _has(scope: Scope, header: bytes) -> bool:
    return any(name == header for name, _ in scope["headers"])


class _Prepared:
    """An error body but for the request's id, which is the last member where the dialect has one."""

    def __init__(self, error: ServiceError, path: str) -> None:
        ours, dialect = problem(error), dialect_of(path)
        ours.pop("request_id", None)  # of whoever is refused first
        self.type, self.status = str(ours["type"]), dialect.status(error.status)
        self.media_type = dialect.media_type.encode()
        self._body = orjson.dumps(dialect.body(ours, path))
        self._named = dialect is HOUSE

    def body(self, identifier: bytes) -> bytes:
        """The whole of it; an id has nothing that JSON would escape."""
        return self._body[:-1] + b',"request_id":"%s"}' % identifier if self._named else self._body
