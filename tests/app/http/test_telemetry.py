"""Spans, as a real collector receives them: OTLP over HTTP, read with the protocol's own classes."""

import asyncio
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pydantic import ValidationError
from starlette.testclient import TestClient

from heedmap.app.http.main import create_app
from heedmap.app.http.startup import check
from heedmap.app.service.engine import Engine
from heedmap.app.service.metrics import Metrics
from heedmap.app.service.spans import Watched
from heedmap.app.settings import Settings
from heedmap.model.errors import HeedmapError
from tests.app.conftest import PARAMETERS, TEXT

CALLER = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"


@contextmanager
def collector() -> Iterator[tuple[str, list[ExportTraceServiceRequest]]]:
    """The address of a collector, and what it has received."""
    received: list[ExportTraceServiceRequest] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v1/traces"
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.append(ExportTraceServiceRequest.FromString(body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", received
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def attributes(span: Any) -> dict[str, Any]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in span.attributes}


def test_a_request_its_wait_its_batch_and_their_stages_reach_the_collector(settings: Callable[..., Settings]) -> None:
    with collector() as (url, received):
        with TestClient(create_app(settings(telemetry=url))) as client:
            headers = {"traceparent": f"00-{CALLER}-{PARENT}-01", "X-Request-ID": "mine-1"}
            body = {"inputs": TEXT, "parameters": PARAMETERS}
            assert client.post("/v1/traces", json=body, headers=headers).status_code == 201
            client.get("/healthz")
        resources = [spans for request in received for spans in request.resource_spans]
        spans = [span for part in resources for scope in part.scope_spans for span in scope.spans]
    assert all(attributes(part.resource)["service.name"] == "heedmap" for part in resources)
    mine = {span.name: span for span in spans if span.trace_id.hex() == CALLER}
    server = mine["POST /v1/traces"]
    assert server.parent_span_id.hex() == PARENT
    assert server.kind == server.SPAN_KIND_SERVER
    facts = attributes(server)
    assert (facts["http.request.method"], facts["http.response.status_code"]) == ("POST", 201)
    assert (facts["http.route"], facts["heedmap.request_id"]) == ("/v1/traces", "mine-1")
    batch, wait = mine["batch"], mine["wait"]
    assert batch.parent_span_id == wait.parent_span_id == server.span_id
    assert wait.links[0].span_id == batch.span_id
    assert attributes(batch)["heedmap.line"] == "tracing"
    for stage in ("tokenize", "generate", "record", "certify"):
        assert mine[stage].parent_span_id == batch.span_id, stage
    for stage in ("parse", "write", "render"):
        assert mine[stage].parent_span_id == server.span_id, stage
    for span in mine.values():
        assert server.start_time_unix_nano - 10**6 <= span.start_time_unix_nano <= span.end_time_unix_nano
    assert not any("healthz" in span.name for span in spans), "probes are asked every few seconds"


def test_without_telemetry_there_are_no_spans(
    settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    with collector() as (url, received):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
        with TestClient(create_app(settings())) as client:
            assert client.get("/v1/models").status_code == 200
        assert not received


def test_a_collector_that_is_down_keeps_no_answer_and_no_end(settings: Callable[..., Settings]) -> None:
    with TestClient(create_app(settings(telemetry="http://127.0.0.1:9"))) as client:
        assert client.get("/v1/models").status_code == 200


def test_without_the_extra_the_start_says_so(
    settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(HeedmapError, match=r"heedmap\[telemetry\]") as caught:
        check(settings(telemetry="http://127.0.0.1:4318", port=0))
    assert caught.value.field == "telemetry"
    check(settings(port=0))


def test_a_collector_has_an_address() -> None:
    with pytest.raises(ValidationError):
        Settings(telemetry="localhost:4318")


async def test_a_batch_links_to_all_of_its_requests() -> None:
    exporter, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("test")
    watched, engine, go = Watched(Metrics(), tracer), Engine(queue=8, batch=8, deadline=20.0), threading.Event()
    engine.watching = lambda calls, waited: watched.answering("device", calls, waited)

    def work(items: Sequence[Any], stop: Callable[[], bool]) -> list[Any]:
        return list(items)

    async def ask(name: str) -> None:
        with tracer.start_as_current_span(name):
            await engine.run_batch("key", [name], work)

    engine.start()
    try:
        blocking = asyncio.ensure_future(engine.run(go.wait))
        while not engine.busy:
            await asyncio.sleep(0.001)
        both = [asyncio.ensure_future(ask(name)) for name in ("one", "two")]
        while engine.waiting < 2:
            await asyncio.sleep(0.001)
        go.set()
        await asyncio.gather(blocking, *both)
    finally:
        engine.stop()
    spans = exporter.get_finished_spans()
    [batch] = [span for span in spans if span.name == "batch"]
    one, two = (next(s for s in spans if s.name == name) for name in ("one", "two"))
    assert batch.parent is not None
    assert {batch.parent.span_id, *(link.context.span_id for link in batch.links)} == {
        one.context.span_id,
        two.context.span_id,
    }
    waits = [span for span in spans if span.name == "wait"]
    assert {span.parent.span_id for span in waits if span.parent} == {one.context.span_id, two.context.span_id}
    assert all(span.links[0].context.span_id == batch.context.span_id for span in waits)
    assert not any(span.name == "run" for span in spans), "the service's own work belongs to no request"
    assert trace.get_current_span() is trace.INVALID_SPAN
