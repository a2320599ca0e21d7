"""Traces over HTTP: made once, shown again after a restart, handed out, forgotten, and each caller's own."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from heedmap.app.http.main import create_app
from heedmap.app.settings import Settings
from heedmap.model.native.translator import Translator
from heedmap.model.trace.trace import Trace

TEXT = "Wo ist der Bahnhof?"
BODY = {"inputs": TEXT, "parameters": {"max_new_tokens": 6}}


def test_the_summary_is_the_contracts(client: TestClient) -> None:
    response = client.post("/v1/traces", json=BODY)
    body = response.json()
    assert response.status_code == 201
    assert response.headers["location"] == f"/v1/traces/{body['id']}"
    assert set(body) == {
        *("id", "model", "task", "prediction", "axes", "sites", "certificate", "encodings", "tiles"),
        *("bytes", "created_at", "expires_at"),
    }
    cross = body["sites"][-1]
    shape = [len(body["axes"][name]["labels"]) for name in ("target", "source")]
    assert cross == {
        "name": "cross",
        "layers": 2,
        "heads": 4,
        "kv_heads": 2,
        "queries": "target",
        "keys": "source",
        "shape": shape,
        "levels": 1,
        "mask": "full",
    }
    assert body["certificate"]["max_error"] < 1e-5
    assert client.get(response.headers["location"]).json() == body


def test_the_same_request_is_answered_from_the_trace(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    first = client.post("/v1/traces", json=BODY).json()
    monkeypatch.setattr(Translator, "trace", lambda *rest: pytest.fail("the work was done twice"))
    assert client.post("/v1/traces", json=BODY).json()["id"] == first["id"]
    assert client.post("/v1/traces", json={**BODY, "model": "tiny"}).json()["id"] == first["id"]


def test_other_parameters_make_another_trace(client: TestClient, summary: dict[str, Any]) -> None:
    other = client.post("/v1/traces", json={"inputs": TEXT, "parameters": {"max_new_tokens": 5}}).json()
    assert other["id"] != summary["id"]


def test_the_file_recomputes_the_map_with_numpy_alone(
    client: TestClient, summary: dict[str, Any], tmp_path: Path
) -> None:
    from safetensors.numpy import load_file

    response = client.get(f"/v1/traces/{summary['id']}/file")
    assert len(response.content) == summary["bytes"]
    path = tmp_path / "trace.safetensors"
    path.write_bytes(response.content)
    tensors = load_file(path)
    q, k, lse = (tensors[f"cross.1.{name}"] for name in ("q", "k", "lse"))
    weights = np.exp(q @ np.repeat(k, 2, axis=0).swapaxes(1, 2) / np.sqrt(q.shape[-1]) - lse[..., None])
    served = client.get(f"/v1/traces/{summary['id']}/maps/cross/1/all").json()["weights"]
    assert np.asarray(served) == pytest.approx(weights, abs=1e-6)
    assert Trace.load(path).prediction.tokens == summary["prediction"]["tokens"]


def test_a_deleted_trace_is_gone(client: TestClient) -> None:
    path = client.post("/v1/traces", json={**BODY, "inputs": "Ich habe heute keine Zeit."}).headers["location"]
    deleted = client.delete(path)
    assert (deleted.status_code, deleted.content) == (204, b"")
    for method, place in (("GET", ""), ("GET", "/file"), ("GET", "/maps/cross/0/0"), ("GET", "/heads"), ("DELETE", "")):
        assert client.request(method, path + place).status_code == 404


def test_a_new_process_serves_the_traces_of_the_last(settings: Callable[..., Settings], tmp_path: Path) -> None:
    with TestClient(create_app(settings(traces=tmp_path))) as client:
        before = client.post("/v1/traces", json=BODY).json()
        weights = client.get(f"/v1/traces/{before['id']}/maps/cross/0/0?format=npy").content
    with TestClient(create_app(settings(traces=tmp_path))) as client:
        after = client.get(f"/v1/traces/{before['id']}").json()
        assert {**after, "expires_at": 0} == {**before, "expires_at": 0}
        assert client.get(f"/v1/traces/{before['id']}/maps/cross/0/0?format=npy").content == weights


def test_a_truncated_file_is_a_clean_error_that_posting_again_heals(
    settings: Callable[..., Settings], tmp_path: Path
) -> None:
    with TestClient(create_app(settings(traces=tmp_path))) as client:
        identifier = client.post("/v1/traces", json=BODY).json()["id"]
    [path] = tmp_path.glob("*/*.safetensors")
    os.truncate(path, path.stat().st_size // 2)
    with TestClient(create_app(settings(traces=tmp_path))) as client:
        for place in ("", "/maps/cross/0/0", "/thumbnails/cross", "/heads"):
            response = client.get(f"/v1/traces/{identifier}{place}")
            assert response.status_code == 410
            assert response.json()["type"] == "urn:heedmap:problem:trace-error"
            assert "truncated" in response.json()["detail"]
            assert str(tmp_path) not in response.text
        assert client.post("/v1/traces", json=BODY).json()["id"] == identifier
        assert client.get(f"/v1/traces/{identifier}/maps/cross/0/0").status_code == 200


def test_over_the_budget_the_oldest_goes(settings: Callable[..., Settings]) -> None:
    with TestClient(create_app(settings(trace_bytes=1))) as client:
        first = client.post("/v1/traces", json=BODY).headers["location"]
        second = client.post("/v1/traces", json={**BODY, "inputs": "Wo ist er?"}).headers["location"]
        assert [client.get(path).status_code for path in (first, second)] == [404, 200]


def test_with_keys_traces_are_each_callers_own(settings: Callable[..., Settings]) -> None:
    with TestClient(create_app(settings(api_keys="alpha-0123456789,beta-01234567890"))) as client:
        assert client.post("/v1/traces", json=BODY).status_code == 401
        assert client.get("/v1/models", headers={"X-API-Key": "gamma"}).status_code == 401
        alpha, beta = {"X-API-Key": "alpha-0123456789"}, {"Authorization": "Bearer beta-01234567890"}
        mine = client.post("/v1/traces", json=BODY, headers=alpha).json()["id"]
        yours = client.post("/v1/traces", json=BODY, headers=beta).json()["id"]
        assert mine != yours
        assert client.get(f"/v1/traces/{mine}", headers=alpha).status_code == 200
        for place in ("", "/file", "/maps/cross/0/0", "/heads", "/thumbnails/cross"):
            assert client.get(f"/v1/traces/{mine}{place}", headers=beta).status_code == 404
        assert client.delete(f"/v1/traces/{mine}", headers=beta).status_code == 404
        private = client.get(f"/v1/traces/{mine}/maps/cross/0/0", headers=alpha).headers["cache-control"]
        assert private.startswith("private,")
        assert client.get("/readyz").status_code == 200, "probes need no key"


def test_over_the_rate_a_caller_is_told_to_wait(settings: Callable[..., Settings]) -> None:
    with TestClient(create_app(settings(rate="2/hour", api_keys="alpha-0123456789,beta-01234567890"))) as client:
        codes = [client.get("/v1/models", headers={"X-API-Key": "alpha-0123456789"}) for _ in range(3)]
        assert [response.status_code for response in codes] == [200, 200, 429]
        assert 0 < int(codes[-1].headers["retry-after"]) <= 3601
        assert codes[-1].json()["title"] == "Too Many Requests"
        assert client.get("/v1/models", headers={"X-API-Key": "beta-01234567890"}).status_code == 200
