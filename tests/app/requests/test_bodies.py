"""Bodies that ask for much work by being refused: the answer is short, quick, and names where it begins."""

import asyncio
import time
from typing import Any

import orjson
import pytest
from starlette.testclient import TestClient
from starlette.types import Message, Receive, Scope, Send

from heedmap.app.errors import Overloaded
from heedmap.app.problems import DETAIL, FIELDS, PATH, problem
from heedmap.app.requests.bodies import KEYS, STRINGS, TOGETHER, VALUES, BodyLimit, count_values
from heedmap.model.errors import ParameterError

MILLION = 1_000_000
SECONDS = 2.0  # of this process, on a machine that does much else; what was mended took nine
BYTES = 4_000  # of a problem


def posted(client: TestClient, route: str, body: Any) -> tuple[int, dict[str, Any]]:
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    started = time.process_time()
    response = client.post(route, content=content, headers={"Content-Type": "application/json"})
    assert time.process_time() - started < SECONDS
    assert len(response.content) < BYTES, len(response.content)
    answer: dict[str, Any] = response.json()
    assert set(answer) >= {"type", "title", "status", "detail"}
    assert "\n" not in answer["detail"]
    return response.status_code, answer


NAMES = {str(number): 1 for number in range(200_000)}


@pytest.mark.parametrize(
    ("route", "body", "path"),
    [
        ("/v1/predict", {"inputs": "x", **NAMES}, "body"),
        ("/v1/predict", {"inputs": "x", "parameters": NAMES}, "parameters"),
        ("/v1/predict", {"inputs": "x", "attention": [{"site": "cross"}, NAMES]}, "attention"),
        ("/v1/attention", {"queries": [[1]], **NAMES}, "body"),
        ("/v1/attention", {"queries": [[1]], "mask": NAMES}, "mask"),
        ("/v1/attention", {"queries": [[1]], "mask": {"kind": "padding", "length": ["x"] * MILLION}}, "mask.length"),
        ("/v1/predict", {"inputs": "x", "parameters": {"candidate_labels": [1] * (MILLION // 2)}}, "parameters"),
        ("/v1/predict", {"inputs": "x", "attention": [1] * (MILLION // 2)}, "attention"),
        ("/v1/traces", {"inputs": "x", "target": ["x"] * (MILLION // 2)}, "target"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_many_fields_are_refused_at_once(client: TestClient, route: str, body: Any, path: str) -> None:
    status, answer = posted(client, route, body)
    assert status == 422
    assert answer["errors"][0]["path"].startswith(path)
    assert len(answer["errors"]) <= FIELDS


def test_a_million_unknown_names_are_too_many_values(client: TestClient) -> None:
    status, answer = posted(client, "/v1/predict", {str(number): 1 for number in range(VALUES + 2)})
    assert status == 413
    assert f"at most {VALUES:,} are read" in answer["detail"]


def test_a_few_unknown_names_are_each_named(client: TestClient) -> None:
    status, answer = posted(client, "/v1/predict", {"inputs": "x", "a": 1, "b": 2})
    assert status == 422
    assert answer["errors"] == [{"path": name, "detail": "unknown field"} for name in ("a", "b")]
    status, answer = posted(client, "/v1/predict", {"inputs": "x", **{f"f{n}": 1 for n in range(KEYS - 1)}})
    assert len(answer["errors"]) == FIELDS
    assert f"(and {KEYS - 2} more)" in answer["detail"]


LONG = "x" * 20_000_000


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("route", "body", "path"),
    [
        ("/v1/predict", {"inputs": "x", "attention": [{"site": "cross", "head": LONG}]}, "attention.0.head"),
        ("/v1/predict", {"inputs": "x", "attention": [{"site": LONG}]}, "attention.0.site"),
        ("/v1/predict", {"inputs": "x", "attention": [{"site": "cross", "head": "9" * 5_000}]}, "attention.0.head"),
        ("/v1/predict", {"inputs": "x", LONG: 1}, "xxx"),
        ("/v1/predict", {"inputs": "x", "parameters": {"function_to_apply": LONG}}, "parameters.function_to_apply"),
        ("/v1/predict", {"inputs": {LONG: "x"}}, "inputs"),
        ("/v1/attention", {"queries": LONG}, "queries"),
        ("/v1/attention", {"queries": [[1]], "mask": LONG}, "mask.kind"),
        ("/v1/attention", {"queries": [[1]], "score": LONG}, "score"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_long_is_not_sent_back(client: TestClient, route: str, body: Any, path: str) -> None:
    status, answer = posted(client, route, body)
    assert status in (404, 422)
    assert answer["errors"][0]["path"].startswith(path)
    assert "x" * 101 not in answer["detail"].replace(answer["errors"][0]["path"], "")


def test_a_model_of_a_long_name_is_not_found(client: TestClient) -> None:
    status, _ = posted(client, "/v1/predict", {"inputs": "x", "model": LONG})
    assert status == 404


@pytest.mark.parametrize("depth", [70, 1_000, 5_000])
def test_what_is_nested_deep_is_a_mistake_of_the_callers(client: TestClient, depth: int) -> None:
    deep = nested(depth)
    bodies: list[tuple[str, dict[str, Any]]] = [
        ("/v1/predict", {"inputs": "x", "attention": [{"site": "cross", "head": deep}]}),
        ("/v1/predict", {"inputs": deep}),
        ("/v1/predict", {"inputs": "x", "parameters": deep}),
        ("/v1/predict", {"inputs": "x", "target": deep}),
        ("/v1/predict", {"inputs": {"messages": [{"role": "user", "content": deep}]}}),
        *(("/v1/attention", {"queries": [[1]], name: deep}) for name in ("queries", "keys", "values", "mask")),
        ("/v1/attention", {"queries": [[1]], "score": "general", "matrix": deep}),
    ]
    for route, body in bodies:
        status, _ = posted(client, route, nested_json(body))
        assert status == 422, (route, list(body))


def nested_json(value: Any) -> bytes:
    """JSON of what is nested deeper than an encoder goes."""
    if isinstance(value, dict):
        inner = b",".join(orjson.dumps(name) + b":" + nested_json(part) for name, part in value.items())
        return b"{" + inner + b"}"
    depth = 0
    while isinstance(value, list) and len(value) == 1 and not isinstance(value[0], dict):
        value, depth = value[0], depth + 1
    if isinstance(value, list):
        return b"[" * (depth + 1) + b",".join(map(nested_json, value)) + b"]" * (depth + 1)
    return b"[" * depth + orjson.dumps(value) + b"]" * depth


def test_commas_in_texts_are_no_values(client: TestClient) -> None:
    text = ",{" * 90_000
    content = orjson.dumps({"inputs": [text] * 8, "parameters": {"max_new_tokens": 1}})
    assert count_values(content) > VALUES
    assert count_values(STRINGS.sub(b"", content)) < 20
    assert posted_status(client, content) == 200  # each is too long, and says so


def posted_status(client: TestClient, content: bytes) -> int:
    return client.post("/v1/predict", content=content, headers={"Content-Type": "application/json"}).status_code


@pytest.mark.parametrize(
    "body", [b'{"a": "' + b'\\"' * 4 * VALUES + b"," * 2 * VALUES, b'"' * 3 * VALUES + b"," * VALUES * 2]
)
def test_what_is_no_json_is_told_as_fast(client: TestClient, body: bytes) -> None:
    status, _ = posted(client, "/v1/predict", body)
    assert status in (413, 422)


def test_a_length_of_thousands_of_digits_is_too_large(client: TestClient) -> None:
    headers = {"Content-Type": "application/json", "Content-Length": "9" * 5_000}
    assert client.post("/v1/predict", content=b"{}", headers=headers).status_code == 413


def test_a_problem_is_bounded() -> None:
    body = problem(ParameterError("y" * 50_000, field="f" * 50_000))
    assert len(body["detail"]) == DETAIL
    assert len(body["errors"][0]["path"]) == PATH


@pytest.mark.parametrize("declared", [True, False])
async def test_large_bodies_are_bounded_together(declared: bool) -> None:
    held, released = [], asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        while (message := await receive()).get("more_body"):
            pass
        held.append(message)
        await released.wait()

    bodies = BodyLimit(app, limit=LARGEST)
    small = asyncio.create_task(post(bodies, 100, declared))
    large = [asyncio.create_task(post(bodies, LARGEST, declared)) for _ in range(TOGETHER)]
    await asyncio.sleep(0.1)
    assert await post(bodies, 100, declared, wait=False) is None, "what is small gets in"
    if declared:
        assert await post(bodies, LARGEST, declared) == 503
    else:
        with pytest.raises(Overloaded, match="large bodies"):
            await post(bodies, LARGEST, declared)
    released.set()
    await asyncio.gather(small, *large, return_exceptions=True)
    assert bodies.bytes == 0
    assert await post(bodies, LARGEST, declared) is None


LARGEST = 1 << 20


async def post(app: BodyLimit, size: int, declared: bool, wait: bool = True) -> int | None:
    """The status of an answer of the limit's own; None where the application was asked."""
    statuses = []
    left = size

    async def receive() -> Message:
        nonlocal left
        piece = min(left, 1 << 16)
        left -= piece
        return {"type": "http.request", "body": bytes(piece), "more_body": left > 0}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    headers = [(b"content-length", str(size).encode())] if declared else []
    task = asyncio.create_task(app({"type": "http", "path": "/v1/predict", "headers": headers}, receive, send))
    await asyncio.wait({task}, timeout=None if wait else 0.2)
    if wait:
        await task
    return statuses[0] if statuses else None
