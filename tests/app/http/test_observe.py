"""What can be seen of every request: its id in its answer, its errors and its log lines, and its metrics."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import pytest
import structlog
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from heedmap.app import ticket
from heedmap.app.client.errors import APIError, api_error
from heedmap.app.http.event_stream import _ended
from heedmap.app.http.main import create_app
from heedmap.app.service.engine import Engine
from heedmap.app.settings import Settings
from heedmap.app.ticket import RequestInfo
from tests.app.conftest import PARAMETERS, TEXT

BODY = {"inputs": TEXT, "parameters": PARAMETERS}
log = structlog.get_logger("heedmap")


def samples(client: TestClient) -> dict[tuple[str, ...], float]:
    """Every value of /metrics, by its name and its labels' values, in the order of the labels' names."""
    families = text_string_to_metric_families(client.get("/metrics").text)
    return {(s.name, *s.labels.values()): s.value for family in families for s in family.samples}


def test_every_error_body_names_its_request(client: TestClient) -> None:
    asked: list[tuple[str, str, dict[str, Any]]] = [
        ("GET", "/v1/nothing", {}),
        ("DELETE", "/v1/predict", {}),
        ("POST", "/v1/predict", {"json": {}}),
        ("POST", "/v1/predict", {"content": b" " * (35 << 20)}),
        ("GET", "/v1/models", {"headers": {"Request-Timeout": "soon"}}),
        ("GET", "/v1/models", {"headers": {"Host": "elsewhere.example"}}),
    ]
    for method, path, sent in asked:
        headers = {**sent.pop("headers", {}), "X-Request-ID": "mine-1"}
        response = client.request(method, path, headers=headers, **sent)
        assert response.status_code >= 400, path
        assert response.json()["request_id"] == response.headers["x-request-id"] == "mine-1"
    fresh = client.get("/v1/nothing")
    assert fresh.json()["request_id"] == fresh.headers["x-request-id"] != "mine-1"


def test_each_refused_input_of_a_list_names_the_request(client: TestClient) -> None:
    response = client.post("/v1/predict", json={"inputs": [TEXT, "wo " * 5_000], "parameters": PARAMETERS})
    good, bad = response.json()["results"]
    assert "request_id" not in good
    assert bad["error"]["request_id"] == response.headers["x-request-id"]


def test_the_refusals_at_the_door_name_the_request(
    settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    app = create_app(settings())
    with TestClient(app) as client:
        monkeypatch.setattr("heedmap.app.service.engine.Engine.full", True)
        full = client.post("/v1/predict", json=BODY, headers={"X-Request-ID": "mine"})
        monkeypatch.undo()
        app.state.services.drain()
        stopping = client.get("/v1/models")
        counted = samples(client)
    assert (full.status_code, full.json()["request_id"]) == (503, "mine")
    assert (stopping.status_code, stopping.json()["type"]) == (503, "urn:heedmap:problem:stopping")
    assert stopping.json()["request_id"] == stopping.headers["x-request-id"]
    assert (stopping.headers["retry-after"], stopping.headers["connection"]) == ("2", "close")
    assert counted["heedmap_refusals_total", "full", "device"] == 1
    assert counted["heedmap_refusals_total", "stopping", "door"] == 1
    assert counted["heedmap_errors_total", "503", "urn:heedmap:problem:overloaded"] == 1


def test_an_error_in_a_stream_names_the_request() -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"event: start\n\n"
        raise ValueError("no")

    async def read() -> list[bytes]:
        with ticket.answering(RequestInfo(("mine",))):
            return [part async for part in _ended(broken())]  # type: ignore[arg-type]

    _, error = asyncio.run(read())
    assert json.loads(error.partition(b"data: ")[2])["request_id"] == "mine"


def test_the_client_tells_the_requests_id() -> None:
    def problem(**more: Any) -> APIError:
        return api_error(503, {"title": "Service Unavailable", "detail": "full", **more}, None, "header-1")

    assert problem(request_id="body-1").request_id == "body-1"
    assert problem().request_id == "header-1", "what answers before the service has no such body"
    assert api_error(502, "a proxy's page").request_id is None


async def test_what_a_worker_logs_names_the_requests_that_it_works_for() -> None:
    engine = Engine(queue=8, batch=8, deadline=10.0)
    seen: list[tuple[str, ...]] = []

    def work(items: Sequence[Any], stop: Callable[[], bool]) -> list[Any]:
        info = ticket.request_info()
        seen.append(() if info is None else info.ids)
        return list(items)

    async def ask(name: str) -> None:
        with ticket.answering(RequestInfo((name,))):
            await engine.run_batch("key", [name], work)

    engine.start()
    try:
        await ask("one")
        await engine.run_batch("key", ["nobody"], work)
        await ask("two")
    finally:
        engine.stop()
    assert seen == [("one",), (), ("two",)]


def test_metrics_tell_queue_wait_batch_padding_stages_tokens_traces_and_certificates(
    settings: Callable[..., Settings],
) -> None:
    with TestClient(create_app(settings())) as client:
        before = samples(client)
        several = [TEXT, TEXT + " " + TEXT]
        assert client.post("/v1/predict", json={"inputs": several, "parameters": PARAMETERS}).status_code == 200
        trace = client.post("/v1/traces", json=BODY).json()
        again = client.post("/v1/traces", json=BODY)
        assert again.json()["id"] == trace["id"]
        client.get("/v1/nothing")
        after = samples(client)
    grown = {key: value - before.get(key, 0) for key, value in after.items()}
    for line in ("device", "tracing", "reading"):
        assert after["heedmap_queue", line] == 0
    assert grown["heedmap_wait_seconds_count", "device"] == grown["heedmap_wait_seconds_count", "tracing"] == 1
    assert grown["heedmap_work_seconds_count", "tracing"] == 1
    assert (grown["heedmap_batch_size_count",], grown["heedmap_batch_size_sum",]) == (2, 3)
    assert grown["heedmap_pass_size_sum",] == 4, "two predictions; a trace's prediction and its recorded pass"
    assert grown["heedmap_padding_tokens_total",] > 0, "the two texts differ in length"
    for stage in ("parse", "tokenize", "generate", "record", "certify", "write", "render"):
        assert grown["heedmap_stage_seconds_count", stage] >= 1, stage
    short = len(trace["axes"]["source"]["labels"])
    assert 3 * short < grown["heedmap_tokens_total", "in", "tiny"] < 5 * short
    assert grown["heedmap_tokens_total", "out", "tiny"] == 3 * PARAMETERS["max_new_tokens"]
    assert grown["heedmap_trace_written_bytes_total",] == after["heedmap_trace_bytes",] == trace["bytes"], "once"
    assert grown["heedmap_certificate_relative_error_count", trace["certificate"]["kernel"], "tiny"] == 1
    assert grown["heedmap_errors_total", "404", "about:blank"] == 1
    assert ("heedmap_certificate_warnings_total", "tiny") not in after
