"""The whole application: its pages, headers, metrics and schema, and a real process on a real port."""

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from heedmap.app.http.main import create_app
from heedmap.app.settings import Settings
from heedmap.model.errors import CheckpointError

SECONDS = 120  # to import PyTorch on a machine that does much else
BODY = {"inputs": "Wo ist der Bahnhof?", "parameters": {"max_new_tokens": 6}}


def test_the_explorer_and_its_files(client: TestClient) -> None:
    page = client.get("/")
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    for path in re.findall(r'(?:src|href)="([^"#]+)"', page.text):
        if path.startswith("data:image/svg+xml;base64,"):
            continue  # the icon is in the page
        assert "//" not in path, "nothing is fetched from another host"
        assert client.get(f"/{path}").status_code == 200


@pytest.mark.parametrize("path", ["/", "/v1/models", "/nothing", "/v1/predict", "/readyz"])
def test_every_answer_has_the_common_headers(client: TestClient, path: str) -> None:
    headers = client.get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert re.fullmatch("[0-9a-f]{32}", headers["x-request-id"])
    assert "access-control-allow-origin" not in headers


def test_a_request_keeps_its_own_name_where_it_is_sane(client: TestClient) -> None:
    assert client.get("/healthz", headers={"X-Request-ID": "mine-1"}).headers["x-request-id"] == "mine-1"
    assert client.get("/healthz", headers={"X-Request-ID": "a b<script>"}).headers["x-request-id"] != "a b<script>"


def test_the_api_page_is_served_from_here(client: TestClient) -> None:
    page = client.get("/docs")
    assert "//" not in re.sub(r"</?\w+", "", page.text)
    for path in re.findall(r'(?:src|href)="([^"]+)"', page.text):
        assert client.get(f"/{path}").status_code == 200
    assert "'unsafe-eval'" not in page.headers["content-security-policy"]


def test_the_schema_describes_every_route_of_the_contract(client: TestClient) -> None:
    schema = client.get("/openapi.json").json()
    assert set(schema["paths"]) >= {
        *("/healthz", "/readyz", "/metrics", "/v1/models", "/v1/models/{model}", "/v1/predict", "/v1/traces"),
        *("/v1/traces/{id}", "/v1/traces/{id}/file", "/v1/traces/{id}/maps/{site}/{layer}/{head}"),
        *("/v1/traces/{id}/thumbnails/{site}", "/v1/traces/{id}/heads", "/v1/attention"),
    }
    text = json.dumps(schema)
    for name in set(re.findall(r'"#/components/schemas/(\w+)"', text)):
        assert name in schema["components"]["schemas"]
    assert "#/$defs/" not in text


def test_models_describe_themselves(client: TestClient) -> None:
    [model] = client.get("/v1/models").json()["models"]
    assert model["name"] == "tiny"
    assert {site["name"] for site in model["sites"]} == {"encoder", "decoder", "cross"}
    assert model["examples"][0].endswith(".")
    listed = client.get("/v1/models/tiny").json()
    assert {name: listed[name] for name in model} == model
    assert (listed["id"], listed["object"], listed["owned_by"]) == ("tiny", "model", "heedmap")


def test_metrics_count_requests_and_batches_by_route(settings: Callable[..., Settings]) -> None:
    with TestClient(create_app(settings())) as client:
        client.post("/v1/predict", json=BODY)
        client.get("/v1/traces/0123")
        text = client.get("/metrics").text
    assert 'heedmap_requests_total{method="POST",route="/v1/predict",status="200"} 1.0' in text
    assert 'heedmap_requests_total{method="GET",route="/v1/traces/{id}",status="404"} 1.0' in text
    assert "heedmap_batch_size_sum 1.0" in text
    for worker in ("device", "tracing", "reading"):
        assert f'heedmap_worker_alive{{worker="{worker}"}} 1.0' in text
        assert f'heedmap_queue{{worker="{worker}"}} 0.0' in text


def test_other_origins_only_where_they_are_allowed(settings: Callable[..., Settings]) -> None:
    with TestClient(create_app(settings(origins="https://a.example"))) as client:
        allowed = client.get("/v1/models", headers={"Origin": "https://a.example"})
        other = client.get("/v1/models", headers={"Origin": "https://b.example"})
    assert allowed.headers["access-control-allow-origin"] == "https://a.example"
    assert "access-control-allow-origin" not in other.headers


def test_a_body_is_counted_while_it_streams(settings: Callable[..., Settings]) -> None:
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(10_000):
            sent += 1024
            yield b" " * 1024

    with TestClient(create_app(settings(body_bytes=4096))) as client:
        headers = {"Content-Type": "application/json"}
        response = client.post("/v1/predict", content=endless(), headers=headers)
        declared = client.post("/v1/predict", content=b" " * 4097, headers=headers)
        assert client.post("/v1/predict", json=BODY).status_code == 200
    for refused in (response, declared):
        assert (refused.status_code, refused.json()["status"]) == (413, 413)
        assert "4,096" in refused.json()["detail"]


@pytest.mark.parametrize("worker", ["engine", "tracing", "reading"])
def test_a_dead_worker_shows_on_both_probes(settings: Callable[..., Settings], worker: str) -> None:
    app = create_app(settings())

    def die() -> None:
        raise SystemExit

    @app.post("/die")
    async def kill() -> None:
        await getattr(app.state.services, worker).run(die)

    with TestClient(app) as client:
        assert [client.get(path).status_code for path in ("/healthz", "/readyz")] == [200, 200]
        assert client.post("/die").status_code == 503
        getattr(app.state.services, worker)._thread.join(5)
        assert [client.get(path).status_code for path in ("/healthz", "/readyz")] == [503, 503]
        assert client.post("/v1/predict", json={**BODY, "attention": [{"site": "cross"}]}).status_code == 503


def test_readiness_follows_the_queue(settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch) -> None:
    with TestClient(create_app(settings())) as client:
        monkeypatch.setattr("heedmap.app.service.engine.Engine.full", True)
        assert client.get("/readyz").status_code == 503
        assert client.get("/healthz").status_code == 200
        busy = client.post("/v1/predict", json=BODY)
        assert (busy.status_code, busy.headers["retry-after"]) == (503, "1")


def test_past_the_deadline(settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch) -> None:
    from heedmap.model.native.translator import Translator

    monkeypatch.setattr(Translator, "predict", lambda self, requests, cancelled: time.sleep(0.5))
    monkeypatch.setattr(Translator, "session", lambda self: None)  # in a batch that nobody joins
    with TestClient(create_app(settings(deadline=0.1))) as client:
        response = client.post("/v1/predict", json=BODY)
    assert (response.status_code, response.json()["title"]) == (504, "Gateway Timeout")


def test_a_bad_checkpoint_stops_the_start(settings: Callable[..., Settings], tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="broken"), TestClient(create_app(settings(models=f"broken={tmp_path}"))):
        pass


def test_a_real_process_on_a_real_port(tiny: Path, tmp_path: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HEEDMAP_")}
    variables = {"HEEDMAP_MODELS": f"tiny={tiny}", "HEEDMAP_TRACES": str(tmp_path / "traces"), "HEEDMAP_LOG": "json"}
    command = [sys.executable, "-m", "uvicorn", "--factory", "heedmap.app.http.main:create_app", "--port", str(port)]
    log = tmp_path / "log"
    with (
        log.open("wb") as output,
        subprocess.Popen(
            [*command, "--no-access-log"], stdout=output, stderr=output, env={**kept, **variables}
        ) as process,
    ):
        try:
            check_live(f"http://127.0.0.1:{port}", process, log)
        finally:
            process.terminate()
    lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    requests: list[dict[str, Any]] = [line for line in lines if line["event"] == "request"]
    assert {"method": "POST", "path": "/v1/predict", "status": 200}.items() <= requests[-1].items()
    assert "Bahnhof" not in log.read_text(), "what callers send is not logged"


def check_live(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    end = time.monotonic() + SECONDS
    with httpx.Client(base_url=url, timeout=60) as client:
        while True:
            try:
                if client.get("/readyz").status_code == 200:
                    break
            except httpx.TransportError:
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < end, log.read_text()
            time.sleep(0.1)
        answer = client.post("/v1/predict", json={**BODY, "attention": [{"site": "cross", "head": "mean"}]})
        assert answer.status_code == 200, answer.text
        assert answer.json()["attention"][0]["weights"]
