"""What can be seen of the service from outside: request ids, log lines, metrics, and headers that every answer has."""

import logging
import re
import time
import uuid
from collections.abc import Callable, Mapping

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from heedmap.app.errors import problem_response

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
            *([structlog.processors.format_exc_info] if form == "json" else []),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        cache_logger_on_first_use=False,
    )


class Metrics:
    """Prometheus metrics of one app."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "heedmap_requests", "Requests answered.", ["method", "route", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "heedmap_request_seconds", "Seconds until a request was answered.", ["route"], registry=self.registry
        )
        self.batch = Histogram(
            "heedmap_batch_size",
            "Inputs that were answered together.",
            buckets=(1, 2, 4, 8, 16, 32, 64, 128),
            registry=self.registry,
        )

        self.loads = Histogram(
            "heedmap_model_load_seconds",
            "Seconds until a model was loaded.",
            ["model"],
            buckets=(0.1, 0.3, 1, 3, 10, 30, 100, 300),
            registry=self.registry,
        )
        self.load_failures = Counter(
            "heedmap_model_load_failures", "Models that could not be loaded.", ["model"], registry=self.registry
        )

    def gauge(self, name: str, text: str, read: Callable[[], float]) -> None:
        """A value that is read whenever the metrics are."""
        Gauge(f"heedmap_{name}", text, registry=self.registry).set_function(read)

    def gauges(self, name: str, text: str, label: str, reads: Mapping[str, Callable[[], float]]) -> None:
        """The same of several things, each with its value of a label."""
        gauge = Gauge(f"heedmap_{name}", text, [label], registry=self.registry)
        for value, read in reads.items():
            gauge.labels(value).set_function(read)


class Observe:
    """Names, times, counts and logs every request, and puts the common headers on its answer."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = dict(scope["headers"]).get(b"x-request-id", b"").decode("latin-1")
        identifier = given if REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
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
