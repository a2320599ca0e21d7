"""Traces over HTTP: made once, shown again after a restart, handed out, forgotten, and each caller's own."""

import asyncio
import errno
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from heedmap.app.http.main import create_app
from heedmap.app.service.store import TraceStore
from heedmap.app.settings import Settings
from heedmap.model.native.translator import Translator
from heedmap.model.trace import trace as trace_module
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
        *("request", "bytes", "durable", "created_at", "expires_at"),
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


DAMAGES = {
    "a flipped bit": lambda data: data[:-9] + bytes([data[-9] ^ 1]) + data[-8:],
    "cut short": lambda data: data[: len(data) // 2],
    "garbage": lambda data: b"\xff" * 100,
    "nothing": lambda data: b"",
}


@pytest.mark.parametrize("harm", DAMAGES)
def test_a_damaged_trace_is_gone_everywhere_and_heals(
    settings: Callable[..., Settings], tmp_path: Path, harm: str
) -> None:
    with TestClient(create_app(settings(traces=tmp_path))) as client:
        identifier = client.post("/v1/traces", json=BODY).json()["id"]
        weights = client.get(f"/v1/traces/{identifier}/maps/cross/0/0").json()["weights"]
        [path] = tmp_path.glob("*/*.safetensors")
        path.write_bytes(DAMAGES[harm](path.read_bytes()))
        places = ("", "/file", "/maps/cross/0/0", "/thumbnails/cross", "/heads", "/tiles/cross/0/0/max/0/0/0")
        for place in (*places, "/tiles/cross/0/0/max/0?tiles=0:0"):
            for method in ("GET", "HEAD"):
                response = client.request(method, f"/v1/traces/{identifier}{place}")
                assert response.status_code == 410, place
            problem = client.get(f"/v1/traces/{identifier}{place}").json()
            assert problem["type"] == "urn:heedmap:problem:trace-error"
            assert str(tmp_path) not in problem["detail"]
        assert client.post("/v1/traces", json=BODY).json()["id"] == identifier
        assert client.get(f"/v1/traces/{identifier}/maps/cross/0/0").json()["weights"] == weights
        path.write_bytes(DAMAGES[harm](path.read_bytes()))
        assert client.delete(f"/v1/traces/{identifier}").status_code == 204
        assert client.get(f"/v1/traces/{identifier}").status_code == 404


def test_a_full_disk_is_said_so_and_the_service_lives_on(
    settings: Callable[..., Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*rest: Any) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with TestClient(create_app(settings(traces=tmp_path))) as client:
        with monkeypatch.context() as patched:
            patched.setattr(trace_module, "write_sealed", full)
            response = client.post("/v1/traces", json=BODY)
            assert response.status_code == 507
            problem = response.json()
            assert (problem["type"], problem["title"]) == ("urn:heedmap:problem:storage-full", "Insufficient Storage")
            assert "No space left on device" in problem["detail"]
            assert client.post("/v1/predict", json=BODY).status_code == 200
        assert [path for path in tmp_path.rglob("*") if path.is_file()] == [tmp_path / ".account"]
        assert client.post("/v1/traces", json=BODY).status_code == 201


def test_a_trace_is_opened_once_for_all_who_ask(
    settings: Callable[..., Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with TestClient(create_app(settings(traces=tmp_path))) as client:
        identifier = client.post("/v1/traces", json=BODY).json()["id"]
    opened = []
    monkeypatch.setattr(
        TraceStore, "opening", lambda store, *key, real=TraceStore.opening: (opened.append(key), real(store, *key))[1]
    )
    with TestClient(create_app(settings(traces=tmp_path))) as client, ThreadPoolExecutor(8) as threads:
        client.app.state.services.reading.run_turns = slowly(client.app.state.services.reading.run_turns)  # type: ignore[attr-defined]
        answers = list(threads.map(lambda _: client.get(f"/v1/traces/{identifier}").status_code, range(8)))
        assert answers == [200] * 8
        assert len(opened) == 1


def slowly(run: Callable[..., Any]) -> Callable[..., Any]:
    """The same coroutine function, half a second later: what is asked for at once meets."""

    async def later(*arguments: Any) -> Any:
        await asyncio.sleep(0.5)
        return await run(*arguments)

    return later


@pytest.mark.parametrize(
    ("asked", "status", "part"),
    [
        ("bytes=0-99", 206, slice(0, 100)),
        ("bytes=100-", 206, slice(100, None)),
        ("bytes=-7", 206, slice(-7, None)),
        ("Bytes = 5-5 ", 206, slice(5, 6)),
        ("bytes=0-999999999", 206, slice(None)),
        ("bytes=-999999999", 206, slice(None)),
        ("bytes=7-5", 200, slice(None)),
        ("bytes=-", 200, slice(None)),
        ("lines=1-2", 200, slice(None)),
        ("bytes=0-1,5-6", 200, slice(None)),
        ("bytes=²-3", 200, slice(None)),
        ("bytes=" + "9" * 5000 + "-", 200, slice(None)),
        ("", 200, slice(None)),
    ],
)
def test_a_part_of_the_file(client: TestClient, summary: dict[str, Any], asked: str, status: int, part: slice) -> None:
    place = f"/v1/traces/{summary['id']}/file"
    whole = client.get(place)
    assert whole.headers["accept-ranges"] == "bytes"
    response = client.get(place, headers={"Range": asked.encode()})
    expected = whole.content[part]
    assert (response.status_code, response.content) == (status, expected)
    assert int(response.headers["content-length"]) == len(expected)
    assert response.headers["etag"] == whole.headers["etag"]
    if status == 206:
        start, stop, _ = part.indices(summary["bytes"])
        said = f"bytes {start}-{stop - 1}/{summary['bytes']}"
        assert response.headers["content-range"] == said
    head = client.head(place, headers={"Range": asked.encode()})
    assert (head.status_code, head.content) == (status, b"")
    assert {**head.headers, "x-request-id": ""} == {**response.headers, "x-request-id": ""}


@pytest.mark.parametrize("asked", ["bytes=99999999-", "bytes=-0", "bytes=99999999-99999999999"])
def test_a_part_that_the_file_does_not_have(client: TestClient, summary: dict[str, Any], asked: str) -> None:
    response = client.get(f"/v1/traces/{summary['id']}/file", headers={"Range": asked})
    assert response.status_code == 416
    assert response.headers["content-range"] == f"bytes */{summary['bytes']}"
    assert response.json()["type"] == "urn:heedmap:problem:range-not-satisfiable"


def test_a_part_is_of_the_file_that_the_caller_knows(client: TestClient, summary: dict[str, Any]) -> None:
    place = f"/v1/traces/{summary['id']}/file"
    whole = client.get(place)
    for tag, status in (
        (whole.headers["etag"], 206),
        (whole.headers["last-modified"], 206),
        ('"another"', 200),
        ("W/" + whole.headers["etag"], 200),
    ):
        response = client.get(place, headers={"Range": "bytes=0-9", "If-Range": tag})
        assert (response.status_code, len(response.content)) == (status, 10 if status == 206 else len(whole.content))
    current = client.get(place, headers={"If-None-Match": whole.headers["etag"]})
    assert (current.status_code, current.content) == (304, b"")


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
