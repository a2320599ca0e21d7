"""What is measured of work in progress: metrics always, and where a tracer is given, OpenTelemetry's spans as well.

A request's span is the framework's. Under it stand its wait in a line, the batch in which it was answered, and the
stages of that. A batch that answers several requests stands under the first of them, and links to the others.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.trace import Link, Span, Tracer
from opentelemetry.util.types import Attributes

from heedmap.app import ticket
from heedmap.app.service.call import Call
from heedmap.app.service.metrics import Metrics
from heedmap.app.ticket import RequestInfo

SHORT = 0.001  # seconds of waiting for a turn that are not worth a span: long work takes hundreds of turns


class Watched:
    """An `Observer` of models, and what every worker enters while it answers calls."""

    def __init__(self, metrics: Metrics, tracer: Tracer | None = None) -> None:
        self.metrics, self.tracer = metrics, tracer

    def stage(self, name: str, seconds: float) -> None:
        """A stage of the work is over."""
        self.metrics.stage(name, seconds)
        if self.tracer is not None:
            _spanned(self.tracer, name, time.time_ns(), seconds)

    def batch(self, rows: int, tokens: int, padding: int) -> None:
        """Sequences go through a model together."""
        self.metrics.batch(rows, tokens, padding)
        if self.tracer is not None:
            trace.get_current_span().set_attributes({"heedmap.tokens": tokens, "heedmap.padding": padding})

    @contextmanager
    def answering(self, line: str, calls: Sequence[Call], waited: Sequence[float]) -> Iterator[None]:
        """A worker answers these calls now, in the context of the first."""
        spans = [trace.get_current_span(), *(call.context.run(trace.get_current_span) for call in calls[1:])]
        infos = [ticket.request_info(), *(call.context.run(ticket.request_info) for call in calls[1:])]
        ids = tuple(name for info in infos if info is not None for name in info.ids)
        begun = time.perf_counter()
        try:
            with ticket.answering(RequestInfo(ids) if ids else None), self._batch(line, calls, waited, spans):
                yield
        finally:
            self.metrics.work.labels(line).observe(time.perf_counter() - begun)

    @contextmanager
    def _batch(
        self, line: str, calls: Sequence[Call], waited: Sequence[float], spans: Sequence[Span]
    ) -> Iterator[None]:
        if self.tracer is None or not spans[0].get_span_context().is_valid:  # the service's own work has no request
            yield
            return
        first = calls[0]
        name = "turn" if first.turn else "run" if first.key is None else "batch"
        attributes: Attributes = {"heedmap.line": line, "heedmap.inputs": sum(len(call.items) for call in calls)}
        links = [Link(span.get_span_context()) for span in spans[1:]]
        now = time.time_ns()
        with self.tracer.start_as_current_span(name, attributes=attributes, links=links) as batch:
            for call, span, seconds in zip(calls, spans, waited, strict=True):
                if not call.turn or seconds > SHORT:
                    _spanned(self.tracer, "wait", now, seconds, under=span, link=batch)
            yield


def _spanned(
    tracer: Tracer, name: str, end: int, seconds: float, *, under: Span | None = None, link: Span | None = None
) -> None:
    """A span of something that has ended: so many nanoseconds after the epoch, and after so many seconds."""
    parent = None if under is None else trace.set_span_in_context(under)
    links = None if link is None else [Link(link.get_span_context())]
    tracer.start_span(name, parent, links=links, start_time=end - int(seconds * 1e9)).end(end)
