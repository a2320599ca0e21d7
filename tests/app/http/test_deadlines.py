"""A request may name a sooner deadline than the service's; what is refused at the door is never read."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator

import httpx
import pytest
from starlette.testclient import TestClient

from heedmap.app.http.main import create_app
from heedmap.app.settings import Settings
from heedmap.model.native.translator import Translator
from tests.app.conftest import PARAMETERS, TEXT

BODY = {"inputs": TEXT, "parameters": PARAMETERS}


def test_past_its_own_deadline(settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Translator, "predict", lambda self, requests, cancelled: time.sleep(0.5))
    monkeypatch.setattr(Translator, "session", lambda self: None)  # in a batch that nobody joins
    with TestClient(create_app(settings())) as client:
        begun = time.monotonic()
        response = client.post("/v1/predict", json=BODY, headers={"Request-Timeout": "0.1"})
        assert time.monotonic() - begun < 0.45
    assert (response.status_code, response.json()["title"]) == (504, "Gateway Timeout")


@pytest.mark.parametrize("value", ["soon", "0", "-1", "nan", "inf"])
def test_a_deadline_is_a_number_of_seconds(client: TestClient, value: str) -> None:
    response = client.post("/v1/predict", json=BODY, headers={"Request-Timeout": value})
    assert response.status_code == 422
    assert response.json()["errors"][0]["path"] == "Request-Timeout"
    assert client.post("/v1/predict", json=BODY, headers={"Request-Timeout": "30"}).status_code == 200


def test_a_time_that_is_over_at_once_is_named_as_it_was(client: TestClient) -> None:
    response = client.post("/v1/predict", json=BODY, headers={"Request-Timeout": "0.000001"})
    assert response.status_code == 504
    assert "longer than 1e-06 s" in response.json()["detail"]


async def test_a_body_that_trickles_in_is_ended(settings: Callable[..., Settings]) -> None:
    async def trickle() -> AsyncIterator[bytes]:
        while True:
            yield b" "
            await asyncio.sleep(0.05)

    app = create_app(settings(deadline=0.3))
    transport = httpx.ASGITransport(app=app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://test") as client,
    ):
        headers = {"Content-Type": "application/json"}
        response = await asyncio.wait_for(client.post("/v1/predict", content=trickle(), headers=headers), 5)
    assert (response.status_code, response.headers["connection"]) == (504, "close")


def test_a_full_line_refuses_before_the_body_is_read(
    settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    def endless() -> Iterator[bytes]:
        yield from [b" " * 1024] * 8

    with TestClient(create_app(settings())) as client:
        monkeypatch.setattr("heedmap.app.service.engine.Engine.full", True)
        for path in ("/v1/predict", "/v1/traces", "/v1/attention"):
            response = client.post(path, json={"no": "matter"}, headers={"X-Request-ID": "mine"})
            assert (response.status_code, response.headers["retry-after"]) == (503, "1")
            assert response.headers["x-request-id"] == "mine"
            assert response.json()["type"] == "urn:heedmap:problem:overloaded"
        chunked = client.post("/v1/predict", content=endless(), headers={"Content-Type": "application/json"})
        assert (chunked.status_code, chunked.headers["connection"]) == (503, "close")
        assert client.get("/v1/models").status_code == 200
        assert 'heedmap_refusals_total{cause="full",line="device"} 2.0' in client.get("/metrics").text
