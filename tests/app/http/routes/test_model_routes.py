"""Models over HTTP: what they are, loaded or not, and predictions that load them."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from starlette.testclient import TestClient

from heedmap.app.http.main import create_app
from heedmap.app.settings import Settings
from tests.conftest import write_tiny

TEXT = "Wo ist der Bahnhof?"
PARAMETERS = {"max_new_tokens": 6}


@pytest.fixture
def lazily(settings: Callable[..., Settings], tiny: Path, tiny_gru: Path, tmp_path: Path) -> Iterator[TestClient]:
    """A service that loads models when they are first asked for; one of them is broken."""
    models = {"one": str(tiny), "two": str(tiny_gru), "broken": str(tmp_path)}
    with TestClient(create_app(settings(models=models, load="first-use", model_bytes=1_000_000))) as client:
        yield client


def test_models_over_http(lazily: TestClient, tmp_path: Path) -> None:
    listed = lazily.get("/v1/models").json()["models"]
    assert [(row["name"], row["state"]) for row in listed] == [
        ("one", "unloaded"),
        ("two", "unloaded"),
        ("broken", "unloaded"),
    ]
    assert lazily.get("/readyz").json() == {"status": "ready", "models": ["one", "two", "broken"]}
    body = {"inputs": TEXT, "parameters": PARAMETERS}
    assert lazily.post("/v1/predict", json={**body, "model": "one"}).status_code == 200
    assert lazily.post("/v1/traces", json={**body, "model": "two"}).status_code == 201
    broken = lazily.post("/v1/predict", json={**body, "model": "broken"})
    assert broken.status_code == 503
    assert broken.headers["retry-after"] == "30"
    assert broken.json()["type"] == "urn:heedmap:problem:model-unavailable"
    assert f"no config.json in {tmp_path.name}:" in broken.json()["detail"]
    assert str(tmp_path) not in broken.text + lazily.get("/v1/models").text
    assert broken.json()["errors"][0]["path"] == "model"
    one = lazily.get("/v1/models/one").json()
    assert one["state"] == "loaded"
    assert {site["name"] for site in one["sites"]} == {"encoder", "decoder", "cross"}
    last = lazily.get("/v1/models/broken").json()
    assert last["state"] == "failed"
    assert "config.json" in last["error"]
    metrics = lazily.get("/metrics").text
    assert 'heedmap_model_load_seconds_count{model="one"} 1.0' in metrics
    assert 'heedmap_model_load_failures_total{model="broken"} 1.0' in metrics
    assert "heedmap_models_loaded 2.0" in metrics
    assert f"heedmap_model_bytes {one['bytes'] + lazily.get('/v1/models/two').json()['bytes']:.1f}" in metrics


def test_what_is_known_before_a_model_is_loaded(lazily: TestClient) -> None:
    until = time.monotonic() + 30
    while "task" not in lazily.get("/v1/models/two").json():
        assert time.monotonic() < until
        time.sleep(0.02)
    assert lazily.get("/v1/models/two").json()["task"] == "translation"


def test_a_models_card_is_told_where_it_is_asked_for(lazily: TestClient, tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("---\nlicense: mit\n---\n\n# Broken\n", encoding="utf-8")
    assert lazily.get("/v1/models/broken").json()["card"] == "# Broken"
    assert lazily.get("/v1/models/one").json()["card"] is None
    assert all("card" not in row for row in lazily.get("/v1/models").json()["models"])


def test_no_model_that_can_be_loaded_is_not_ready(settings: Callable[..., Settings], tmp_path: Path) -> None:
    with TestClient(create_app(settings(models=f"broken={tmp_path}", load="first-use"))) as client:
        assert client.get("/readyz").status_code == 200
        assert client.post("/v1/predict", json={"inputs": "a"}).status_code == 503
        ready = client.get("/readyz")
        assert (ready.status_code, ready.headers["retry-after"]) == (503, "30")
        assert client.get("/healthz").status_code == 200


@pytest.mark.parametrize("name", ["org/x", "org/x.y-1.0", "100%", "模型/中文", "a b"])
def test_any_name_has_its_address(settings: Callable[..., Settings], tiny: Path, name: str) -> None:
    with TestClient(create_app(settings(models={name: str(tiny), "other": str(tiny)}, load="first-use"))) as client:
        body = {"inputs": TEXT, "parameters": PARAMETERS, "model": name}
        assert client.post("/v1/predict", json=body).json()["model"] == name
        description = client.get(f"/v1/models/{quote(name, safe='')}")
        assert (description.status_code, description.json()["name"]) == (200, name)
        assert client.get(f"/v1/models/{quote(name, safe='/')}").json()["name"] == name, "a slash as it is"
        missing = client.get(f"/v1/models/{quote(name + '!', safe='')}")
        assert (missing.status_code, missing.json()["errors"][0]["path"]) == (404, "model")


def test_a_trace_outlives_its_model(settings: Callable[..., Settings], tmp_path: Path, tokenizer: Any) -> None:
    folders = {name: str(write_tiny(tmp_path / name, tokenizer)) for name in ("one", "two")}
    with TestClient(create_app(settings(models=folders, load="first-use", model_bytes=400_000))) as client:
        body = {"inputs": TEXT, "parameters": PARAMETERS}
        trace = client.post("/v1/traces", json={**body, "model": "one"}).json()["id"]
        client.post("/v1/predict", json={**body, "model": "two"})
        assert client.get("/v1/models/one").json()["state"] == "unloaded"
        assert client.get(f"/v1/traces/{trace}/maps/cross/0/all").status_code == 200
        assert client.post("/v1/traces", json={**body, "model": "one"}).json()["id"] == trace
        assert client.get("/v1/models/one").json()["state"] == "unloaded", "the work was done already"
