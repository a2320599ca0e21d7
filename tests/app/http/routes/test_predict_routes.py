"""Predictions over HTTP: one, many, with maps, at once, and abandoned."""

import asyncio
import json
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from starlette.testclient import TestClient

from heedmap.app.http.main import create_app
from heedmap.app.service.engine import READING, THREAD, TRACING
from heedmap.app.settings import Settings
from heedmap.model.contract import Parameters, Request
from heedmap.model.load import load
from heedmap.model.native.translator import Translator

TEXT = "Wo ist der Bahnhof?"
PARAMETERS = {"max_new_tokens": 6}


def test_one_input_gives_one_answer(client: TestClient, tiny: Path) -> None:
    body = client.post("/v1/predict", json={"inputs": TEXT, "parameters": PARAMETERS}).json()
    [expected] = load(tiny).predict([Request(TEXT, None, Parameters(**PARAMETERS))])
    assert set(body) == {"model", "task", "prediction", "axes"}
    assert (body["model"], body["task"]) == ("tiny", "translation")
    assert body["prediction"] == {
        "text": expected.text,
        "tokens": expected.tokens,
        "score": pytest.approx(expected.score, abs=1e-4),
        "finish_reason": "length",
    }
    assert set(body["axes"]["source"]) == {"kind", "labels", "ids", "spans", "special"}
    start, stop = body["axes"]["source"]["spans"][0]
    assert TEXT[start:stop] == body["axes"]["source"]["labels"][0].lstrip("▁")


def test_attention_comes_in_the_same_answer(client: TestClient, summary: dict[str, Any]) -> None:
    expected = [
        {"site": "cross", "layer": -1, "head": "all"},
        {"site": "decoder", "layer": 0, "head": -1},
        {"site": "cross"},
    ]
    body = client.post("/v1/predict", json={"inputs": TEXT, "parameters": PARAMETERS, "attention": expected}).json()
    cross, decoder, default = body["attention"]
    queries, keys = len(body["axes"]["target"]["labels"]), len(body["axes"]["source"]["labels"])
    assert {**cross, "weights": 0} == {
        "site": "cross",
        "layer": 1,
        "head": "all",
        "shape": [queries, keys],
        "queries": "target",
        "keys": "source",
        "weights": 0,
    }
    weights = np.asarray(cross["weights"])
    assert weights.shape == (4, queries, keys)
    assert weights.sum(axis=-1) == pytest.approx(np.ones((4, queries)), abs=1e-5)
    assert default == cross, "the last layer's heads unless said otherwise"
    assert (decoder["head"], decoder["keys"]) == (3, "prefix")
    assert np.triu(np.asarray(decoder["weights"]), 1).max() == 0
    stored = client.get(f"/v1/traces/{summary['id']}/maps/cross/-1/all").json()
    assert weights == pytest.approx(np.asarray(stored["weights"]), abs=1e-6)


def test_visible_cells_come_where_they_are_asked_for(client: TestClient) -> None:
    wanted = [{"site": "decoder", "head": head, "visible": True} for head in ("all", 0)] + [{"site": "decoder"}]
    body = {"inputs": TEXT, "parameters": PARAMETERS, "attention": wanted}
    every, one, plain = client.post("/v1/predict", json=body).json()["attention"]
    assert every["visible"] == one["visible"] == np.tri(*every["shape"], dtype=bool).tolist()
    assert plain == {name: value for name, value in every.items() if name != "visible"}


def test_visible_cells_count_towards_the_limit(settings: Callable[..., Settings]) -> None:
    # 20 queries and keys: 400 cells, of 16 bytes, and of 6 more.
    body = {"inputs": TEXT, "parameters": {"max_new_tokens": 20}}
    with TestClient(create_app(settings(response_bytes=8000))) as client:
        for visible, status in ((False, 200), (True, 413)):
            wanted = [{"site": "decoder", "head": 0, "visible": visible}]
            response = client.post("/v1/predict", json={**body, "attention": wanted})
            assert response.status_code == status, response.text


def test_a_list_has_results_and_errors_of_its_own(client: TestClient) -> None:
    body = {"inputs": [TEXT, "", "wo " * 600], "parameters": PARAMETERS, "attention": [{"site": "cross", "head": 0}]}
    response = client.post("/v1/predict", json=body)
    assert response.status_code == 200
    first, empty, long = response.json()["results"]
    assert first["prediction"]["tokens"]
    assert len(first["attention"]) == 1
    assert empty["error"]["errors"][0]["path"] == "inputs.1"
    assert (long["error"]["status"], long["error"]["errors"][0]["path"]) == (422, "inputs.2")


def test_a_list_and_its_parts_agree(client: TestClient) -> None:
    texts = [TEXT, "Ich habe heute keine Zeit."]
    together = client.post("/v1/predict", json={"inputs": texts, "parameters": PARAMETERS}).json()["results"]
    for text, result in zip(texts, together, strict=True):
        alone = client.post("/v1/predict", json={"inputs": text, "parameters": PARAMETERS}).json()
        assert alone["prediction"]["tokens"] == result["prediction"]["tokens"]


def test_a_target_is_scored(client: TestClient) -> None:
    body = {"inputs": TEXT, "target": "Where is the station?"}
    prediction = client.post("/v1/predict", json=body).json()["prediction"]
    assert prediction["text"] == "Where is the station?"
    assert prediction["score"] < 0


def test_a_form_is_read_like_json(client: TestClient) -> None:
    fields = {"inputs": (None, TEXT), "model": (None, "tiny"), "parameters": (None, json.dumps(PARAMETERS))}
    form = client.post("/v1/predict", files=fields)
    assert form.status_code == 200, form.text
    assert form.json() == client.post("/v1/predict", json={"inputs": TEXT, "parameters": PARAMETERS}).json()
    files = client.post("/v1/predict", files={"inputs": ("a.txt", b"text")})
    assert (files.status_code, files.json()["errors"][0]["path"]) == (422, "body")
    broken = client.post("/v1/predict", files={"inputs": (None, "a"), "parameters": (None, "{")})
    assert (broken.status_code, broken.json()["errors"][0]["path"]) == (422, "parameters")


def test_of_several_models_one_must_be_named(settings: Callable[..., Settings], tiny: Path, tiny_gru: Path) -> None:
    with TestClient(create_app(settings(models={"one": str(tiny), "two": str(tiny_gru)}))) as client:
        response = client.post("/v1/predict", json={"inputs": "a"})
        assert (response.status_code, response.json()["errors"][0]["path"]) == (422, "model")
        body = {"inputs": TEXT, "model": "two", "parameters": PARAMETERS, "attention": [{"site": "cross"}]}
        answer = client.post("/v1/predict", json=body).json()
        assert np.asarray(answer["attention"][0]["weights"]).shape[0] == 1


def test_maps_over_the_limit_name_the_route_in_parts(settings: Callable[..., Settings]) -> None:
    with TestClient(create_app(settings(response_bytes=1024))) as client:
        body = {"inputs": TEXT, "parameters": PARAMETERS, "attention": [{"site": "encoder"}]}
        response = client.post("/v1/predict", json=body)
    assert response.status_code == 413
    assert "/v1/traces/{id}/maps" in response.json()["detail"]


def test_a_model_runs_on_the_devices_worker_and_maps_are_read_on_another(
    settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    from heedmap.model.attention.maps import AttentionMap
    from heedmap.model.trace.trace import Trace

    threads: dict[str, set[str]] = {}

    def noting(owner: type, name: str) -> None:
        original = getattr(owner, name)

        def noted(*args: Any, **kwargs: Any) -> Any:
            threads.setdefault(name, set()).add(threading.current_thread().name)
            return original(*args, **kwargs)

        monkeypatch.setattr(owner, name, noted)

    for owner, name in (
        (Translator, "encode"),
        (Translator, "describe"),
        (Trace, "save"),
        (AttentionMap, "_weights"),
        (AttentionMap, "output_error"),
        (AttentionMap, "visible"),
        (AttentionMap, "statistics"),
    ):
        noting(owner, name)
    with TestClient(create_app(settings())) as client:
        identifier = client.post("/v1/traces", json={"inputs": TEXT, "parameters": PARAMETERS}).json()["id"]
        for path in ("maps/cross/0/0", "maps/cross/0/mean?format=png", "thumbnails/cross", "heads", "file", ""):
            assert client.get(f"/v1/traces/{identifier}/{path}".rstrip("/")).status_code == 200
        assert client.get("/v1/models").status_code == 200
        body = {"inputs": "Wer ist er?", "parameters": PARAMETERS, "attention": [{"site": "cross"}]}
        assert client.post("/v1/predict", json=body).status_code == 200
        assert client.post("/v1/attention", json={"queries": [[1, 2]]}).status_code == 200
        assert client.post("/v1/predict", json={**body, "attention": []}).status_code == 200
    assert (threads["describe"], threads["encode"]) == ({THREAD}, {THREAD, TRACING}), "none waits for a trace"
    assert threads["visible"] == threads["statistics"] == {READING}
    assert (threads["output_error"], threads["_weights"]) == ({TRACING}, {READING}), "recorded here, read there"
    assert not threads["save"] & {THREAD, TRACING, READING}, "nobody waits for a disk"


async def test_two_at_once_are_one_batch(settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    release = threading.Event()
    original = Translator.predict

    def slow(self: Translator, requests: Sequence[Request], *rest: Any) -> Any:
        sizes.append(len(requests))
        release.wait(10)
        return original(self, requests, *rest)

    monkeypatch.setattr(Translator, "predict", slow)
    monkeypatch.setattr(Translator, "session", lambda self: None)  # in batches that nobody joins
    app = create_app(settings())
    transport = httpx.ASGITransport(app=app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://test") as client,
    ):
        engine = app.state.services.engine
        texts = ["Wo ist er?", "Wo ist sie?", "Ich habe Zeit."]
        posts = [client.post("/v1/predict", json={"inputs": text, "parameters": PARAMETERS}) for text in texts]
        tasks = [asyncio.create_task(posts[0])]
        while not sizes:
            await asyncio.sleep(0.005)
        tasks += [asyncio.create_task(post) for post in posts[1:]]
        while engine.waiting < 2:
            await asyncio.sleep(0.005)
        ready = await asyncio.wait_for(client.get("/healthz"), 2)
        assert ready.status_code == 200, "the event loop is free while the worker works"
        release.set()
        answers = await asyncio.gather(*tasks)
    assert sizes == [1, 2]
    assert [len(a.json()["axes"]["source"]["labels"]) > 1 for a in answers] == [True] * 3
    assert len({json.dumps(a.json()["axes"]["source"]["labels"]) for a in answers}) == 3, "each has its own answer"


async def test_a_caller_who_hangs_up_stops_the_work(
    settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, stopped = threading.Event(), threading.Event()

    def endless(self: Translator, requests: Sequence[Request], cancelled: Callable[[], bool]) -> Any:
        from heedmap.model.errors import Cancelled

        begun.set()
        while not cancelled():
            stopped.wait(0.002)
        stopped.set()
        raise Cancelled("stopped")

    monkeypatch.setattr(Translator, "predict", endless)
    monkeypatch.setattr(Translator, "session", lambda self: None)
    app = create_app(settings())
    body = json.dumps({"inputs": TEXT}).encode()
    sent: list[dict[str, Any]] = []
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> dict[str, Any]:
        if messages:
            return messages.pop(0)
        await asyncio.to_thread(begun.wait, 5)
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/v1/predict",
        "raw_path": b"/v1/predict",
        "query_string": b"",
        "root_path": "",
        "headers": [(b"content-type", b"application/json"), (b"host", b"test")],
        "client": ("127.0.0.1", 1),
        "server": ("test", 80),
    }
    async with app.router.lifespan_context(app):
        await asyncio.wait_for(app(scope, receive, send), 10)
        assert await asyncio.to_thread(stopped.wait, 5)
    assert sent[0]["status"] == 499
