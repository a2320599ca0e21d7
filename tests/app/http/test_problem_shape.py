"""Every error has the one body, whatever raised it."""

import asyncio
import re
from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from heedmap.app.errors import DeadlineExceeded, Overloaded, WorkerStopped
from heedmap.app.http.main import create_app
from heedmap.app.settings import Settings
from heedmap.model.errors import Cancelled, TraceError

JSON = {"Content-Type": "application/json"}
Case = tuple[int, str, str, dict[str, Any], str | None]


def asking(requested: dict[str, Any]) -> dict[str, Any]:
    return {"json": {"inputs": "a", "attention": [requested]}}


# status, method, path, what is sent, and the path of the field at fault
CASES: list[Case] = [
    (404, "GET", "/nothing", {}, None),
    (404, "GET", "/v1/nothing", {}, None),
    (404, "GET", "/v1/models/nobody", {}, "model"),
    (404, "GET", "/v1/traces/0123", {}, "id"),
    (404, "DELETE", "/v1/traces/0123", {}, "id"),
    (404, "GET", "/v1/traces/0123/file", {}, "id"),
    (404, "POST", "/v1/predict", {"json": {"inputs": "a", "model": "nobody"}}, "model"),
    (404, "POST", "/v1/predict", asking({"site": "x"}), "attention.0.site"),
    (404, "GET", "/v1/traces/{id}/maps/vision/0/0", {}, "site"),
    (404, "GET", "/v1/traces/{id}/thumbnails/vision", {}, "site"),
    (405, "GET", "/v1/predict", {}, None),
    (405, "POST", "/", {}, None),
    (406, "GET", "/v1/traces/{id}/maps/cross/0/0?format=jpeg", {}, "format"),
    (406, "GET", "/v1/traces/{id}/maps/cross/0/0", {"headers": {"Accept": "image/jpeg"}}, None),
    (413, "POST", "/v1/predict", {"content": b" " * (35 << 20), "headers": JSON}, None),
    (413, "POST", "/v1/attention", {"json": {"queries": [[0.0]] * 9000}}, "queries"),
    (415, "POST", "/v1/predict", {"content": "inputs=a", "headers": {"Content-Type": "text/plain"}}, None),
    (415, "POST", "/v1/attention", {"files": {"queries": (None, "[[1]]")}}, None),
    (422, "POST", "/v1/predict", {"content": b'{"inputs": "\xff"}', "headers": JSON}, "body"),
    (422, "POST", "/v1/predict", {"content": b'{"inputs": ', "headers": JSON}, "body"),
    (422, "POST", "/v1/predict", {"content": b"[" * 5000, "headers": JSON}, "body"),
    (422, "POST", "/v1/predict", {"content": b"[1]", "headers": JSON}, "body"),
    (422, "POST", "/v1/predict", {"json": {}}, "inputs"),
    (422, "POST", "/v1/predict", {"json": {"inputs": ""}}, "inputs"),
    (422, "POST", "/v1/predict", {"json": {"inputs": "  \n"}}, "inputs"),
    (422, "POST", "/v1/predict", {"json": {"inputs": "wo " * 10_000}}, "inputs"),
    (422, "POST", "/v1/predict", {"json": {"inputs": 5}}, "inputs"),
    (422, "POST", "/v1/predict", {"json": {"inputs": ["a", 5]}}, "inputs.1"),
    (422, "POST", "/v1/predict", {"json": {"inputs": []}}, "inputs"),
    (413, "POST", "/v1/predict", {"content": b'{"inputs": [' + b"0," * (5 << 20), "headers": JSON}, "body"),
    (413, "POST", "/v1/predict", {"json": {"inputs": {"image": "A" * (24 << 20)}}}, "inputs.image"),
    (413, "POST", "/v1/predict", {"json": {"inputs": ["a", {"image": "A" * (24 << 20)}]}}, "inputs.1.image"),
    (413, "POST", "/v1/predict", {"files": {"image": b"A" * (17 << 20)}}, "inputs.image"),
    (422, "POST", "/v1/predict", {"json": {"inputs": {"image": "AA=="}}}, "inputs"),
    (422, "POST", "/v1/predict", {"json": {"inputs": {"image": "no base64!"}}}, "inputs.image"),
    (422, "POST", "/v1/predict", {"json": {"inputs": {"image": "data:image/svg+xml,<svg/>"}}}, "inputs.image"),
    (422, "POST", "/v1/predict", {"json": {"inputs": {"image": "https://example.org/a.png"}}}, "inputs.image"),
    (422, "POST", "/v1/predict", {"json": {"inputs": {"audio": "file:///etc/passwd"}}}, "inputs.audio"),
    (422, "POST", "/v1/predict", {"json": {"inputs": {"audio": 5}}}, "inputs.audio"),
    (422, "POST", "/v1/predict", {"json": {"inputs": {"audio": "AA==", "text": "a"}}}, "inputs"),
    (422, "POST", "/v1/predict", {"json": {"inputs": {}}}, "inputs"),
    (422, "POST", "/v1/predict", {"json": {"inputs": [{"question": "a"}]}}, "inputs.0"),
    (422, "POST", "/v1/predict", {"json": {"inputs": {"question": "a", "context": 5}}}, "inputs.context"),
    (422, "POST", "/v1/predict", {"json": {"inputs": {"source_sentence": "a", "sentences": "b"}}}, "inputs.sentences"),
    (422, "POST", "/v1/predict", {"json": {"inputs": {"messages": [{"role": "user"}]}}}, "inputs.messages.0"),
    (422, "POST", "/v1/traces", {"files": {"image": b"a", "audio": b"b"}}, "inputs"),
    (422, "POST", "/v1/traces", {"files": {"audio": b"a", "inputs": (None, "b")}}, "inputs"),
    (422, "POST", "/v1/predict", {"json": {"inputs": "a", "target": ["b"]}}, "target"),
    (422, "POST", "/v1/predict", {"json": {"inputs": ["a", "b"], "target": ["b"]}}, "target"),
    (422, "POST", "/v1/predict", {"json": {"inputs": "a", "colour": "red"}}, "colour"),
    (422, "POST", "/v1/predict", {"json": {"inputs": "a", "parameters": {"beam": 2}}}, "parameters.beam"),
    (422, "POST", "/v1/predict", {"json": {"inputs": "a", "parameters": {"beam_size": 0}}}, "parameters.beam_size"),
    (422, "POST", "/v1/predict", asking({"site": "cross", "layer": 2}), "attention.0.layer"),
    (422, "POST", "/v1/predict", asking({"site": "cross", "head": "x"}), "attention.0.head"),
    (422, "POST", "/v1/traces", {"json": {"inputs": ["a"]}}, "inputs"),
    (422, "POST", "/v1/traces", {"json": {"inputs": "a", "attention": []}}, "attention"),
    (422, "GET", "/v1/traces/{id}/maps/cross/5/0", {}, "layer"),
    (422, "GET", "/v1/traces/{id}/maps/cross/x/0", {}, "layer"),
    (422, "GET", "/v1/traces/{id}/maps/cross/0/4", {}, "head"),
    (422, "GET", "/v1/traces/{id}/maps/cross/0/best", {}, "head"),
    (422, "GET", "/v1/traces/{id}/maps/cross/0/0?rows=0:900", {}, "rows"),
    (422, "GET", "/v1/traces/{id}/maps/cross/0/0?cols=2:2", {}, "cols"),
    (422, "GET", "/v1/traces/{id}/maps/cross/0/0?cols=-1:", {}, "cols"),
    (422, "GET", "/v1/traces/{id}/maps/cross/0/0?rows=1", {}, "rows"),
    (422, "GET", "/v1/traces/{id}/maps/cross/0/0?measure=love", {}, "measure"),
    (422, "GET", "/v1/traces/{id}/thumbnails/cross?size=65", {}, "size"),
]  # fmt: skip


def check(response: Any, status: int, field: str | None = None) -> dict[str, Any]:
    """The body is a problem of this status, names this field, and shows nothing of the code."""
    body: dict[str, Any] = response.json()
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert set(body) - {"errors"} == {"type", "title", "status", "detail", "request_id"}
    assert body["request_id"] == response.headers["x-request-id"]
    assert body["status"] == status
    assert body["type"] == "about:blank" or re.fullmatch(r"urn:heedmap:problem:[a-z-]+", body["type"])
    assert len(body["detail"]) > 10
    assert [entry["path"] for entry in body.get("errors", [])] == ([field] if field else [])
    assert all(set(entry) == {"path", "detail"} and entry["detail"] for entry in body.get("errors", []))
    assert not re.search(r"Traceback|File \"|\.py\b|site-packages|0x[0-9a-f]{8}", response.text)
    return body


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]} {case[1]} {case[2]} {case[4]}")
def test_every_error_has_the_one_body(client: TestClient, summary: dict[str, Any], case: Case) -> None:
    status, method, path, sent, field = case
    check(client.request(method, path.replace("{id}", summary["id"]), **sent), status, field)


def test_the_check_notices_a_stack_trace() -> None:
    class Leaky:
        status_code = 500
        headers = {"content-type": "application/problem+json"}  # noqa: RUF012
        text = 'File "app/http/main.py", line 3'

        def json(self) -> dict[str, Any]:
            return {"type": "about:blank", "title": "x", "status": 500, "detail": self.text}

    with pytest.raises(AssertionError):
        check(Leaky(), 500)


def test_several_bad_fields_are_all_named(client: TestClient) -> None:
    body = client.post("/v1/predict", json={"inputs": 1, "a": 1, "parameters": {"seed": -1}}).json()
    assert {entry["path"] for entry in body["errors"]} == {"inputs", "a", "parameters.seed"}


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Overloaded("the queue is full", headers={"Retry-After": "1"}), 503),
        (WorkerStopped("a worker of this service has stopped"), 503),
        (DeadlineExceeded("the answer took too long"), 504),
        (TraceError("a trace file is truncated"), 410),
        (Cancelled("the caller went away"), 499),
        (RuntimeError("secret: 0xdeadbeef12"), 500),
        (MemoryError(), 500),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_fails_inside_has_the_one_body_too(
    settings: Callable[..., Settings], error: Exception, status: int
) -> None:
    app = create_app(settings())

    @app.get("/fail")
    async def fail() -> None:
        await asyncio.sleep(0)
        raise error

    with TestClient(app, raise_server_exceptions=False) as client:
        response = client.get("/fail")
        body = check(response, status)
        assert "secret" not in response.text
        assert response.headers["x-request-id"]
        assert response.headers.get("retry-after") == ("1" if isinstance(error, Overloaded) else None)
        assert client.get("/readyz").status_code == 200, "the service goes on"
    assert body["title"]


def test_a_wrong_method_is_told_the_right_ones(client: TestClient) -> None:
    response = client.put("/v1/traces/0123")
    assert response.headers["allow"] == "GET, HEAD, DELETE"
