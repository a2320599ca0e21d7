"""What can be seen of every request from outside: its id, a log line, metrics, and headers that every answer has."""

import time

import structlog
from opentelemetry import trace
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from heedmap.app.http import request_ids
from heedmap.app.problems import problem_response
from heedmap.app.service.metrics import Metrics
from heedmap.model.observer import Observer, observing

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

ATTRIBUTE = "heedmap.request_id"  # of a request's span

log = structlog.get_logger("heedmap")


class Observe:
    """Names, times, counts and logs every request, and puts the common headers on its answer."""

    def __init__(self, app: ASGIApp, metrics: Metrics, observer: Observer | None = None, tracing: bool = False) -> None:
        self.app, self.metrics, self.observer, self.tracing = app, metrics, observer or metrics, tracing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        answered = request_ids.begin(scope)
        if self.tracing:
            trace.get_current_span().set_attribute(ATTRIBUTE, answered.ids[0])
        started, status = time.perf_counter(), 0

        async def finished(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-ID"] = answered.ids[0]
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        with observing(self.observer):
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
                for problem in answered.problems:
                    self.metrics.errors.labels(*problem).inc()
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
