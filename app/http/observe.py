"""What can be seen of the service from outside: request ids, log lines, metrics, and headers that every answer has."""

import logging
import re
import time
import uuid
from typing import Any

import structlog
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from heedmap.app.problems import problem_response
from heedmap.app.service.metrics import Metrics

REQUEST_ID = re.compile(
    r"[A-Za-z0-9._-]{1,64}"
)  # what a caller may name its request; anything else gets a name of ours
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data: blob:; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'"
)
HEADERS = {
    "Content-Security-Policy": PAGE_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cross-Origin-Opener-Policy": "same-origin",
}

LONGEST = 6_000  # characters of a value in a log line: a stack of thirty calls

log = structlog.get_logger("heedmap")


def configure_logging(form: str) -> None:
    """One line an event, as JSON or for people; stacks without local variables, which hold callers' texts."""
    renderer = (
        structlog.processors.JSONRenderer()
        if form == "json"
        else structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            bounded,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        cache_logger_on_first_use=False,
    )


def bounded(logger: Any, method: str, line: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """A log line whose texts are of a sane length, whatever callers sent: of a longer one the beginning and the end."""
    for name, value in line.items():
        if isinstance(value, str) and len(value) > LONGEST:
            line[name] = f"{value[: LONGEST // 2]}[...]{value[-LONGEST // 2 :]}"
    return line


class Observe:
    """Names, times, counts and logs every request, and puts the common headers on its answer."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        sent = dict(scope["headers"]).get(b"x-request-id", b"").decode("latin-1")
        identifier = sent if REQUEST_ID.fullmatch(sent) else uuid.uuid4().hex
        started, status = time.perf_counter(), 0

        async def finished(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-ID"] = identifier
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=identifier):
            try:
                await self.app(scope, receive, finished)
            except Exception as error:
                log.exception("unexpected_error", path=scope["path"])
                if status == 0:
                    await problem_response(error)(scope, receive, finished)
            finally:
                seconds = time.perf_counter() - started
                route = _route(scope)
                self.metrics.requests.labels(scope["method"], route, status).inc()
                self.metrics.seconds.labels(route).observe(seconds)
                log.info(
                    "request",
                    method=scope["method"],
                    path=scope["path"],
                    status=status,
                    milliseconds=round(seconds * 1e3, 1),
                )


def _route(scope: Scope) -> str:
    """The route's pattern, so that ids and paths that nobody serves make no new series."""
    return str(getattr(scope.get("route"), "path", None) or "static")
