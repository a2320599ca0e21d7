"""HEAD on every address that answers GET: the same status and headers, and no body."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from heedmap.app.http.main import create_app
from heedmap.app.settings import STATIC, Settings

# What each parameter of an address may be; a new parameter must be named here.
PARTS = {
    "model": "tiny",
    "version": "1",
    "site": "cross",
    "how": "max",
    **dict.fromkeys(("layer", "head", "level", "row", "col"), "0"),
}
QUERY = {"/v1/traces/{id}/tiles/{site}/{layer}/{head}/{how}/{level}": "?tiles=0:0"}  # what an address cannot do without
MOVING = {"x-request-id", "date"}
COUNTED = {"/metrics"}  # whose body, and so its length, changes with every request


def addresses(client: TestClient, identifier: str) -> list[str]:
    """Every GET address of the description, with real parts, and the pages and files beside them."""
    paths = client.get("/openapi.json").json()["paths"]
    readable = [path for path, operations in paths.items() if "get" in operations]
    filled = [re.sub(r"{(\w+)}", lambda m: {**PARTS, "id": identifier}[m[1]], p) + QUERY.get(p, "") for p in readable]
    files = [f"/{path.relative_to(STATIC)}" for path in sorted(STATIC.rglob("*.*"))[:20]]
    return [*filled, "/", "/docs", "/docs/start.js", "/docs/swagger-ui.css", "/openapi.json", "/favicon.ico", *files]


def test_every_get_address_answers_head(client: TestClient, summary: dict[str, Any]) -> None:
    for address in addresses(client, summary["id"]):
        got, head = client.get(address), client.head(address)
        assert head.status_code == got.status_code, address
        assert head.content == b"", address
        ignored = MOVING | ({"content-length"} if address in COUNTED else set())
        kept = [{n: v for n, v in answer.headers.items() if n not in ignored} for answer in (got, head)]
        assert kept[0] == kept[1], address


def test_an_error_has_its_headers_and_no_body(client: TestClient) -> None:
    response = client.head("/v1/models/nobody")
    assert (response.status_code, response.content) == (404, b"")
    assert response.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("HEAD", "/v1/predict", "POST"),
        ("POST", "/v1/models", "GET, HEAD"),
        ("PUT", "/v1/traces/0123", "GET, HEAD, DELETE"),
    ],
)
def test_a_refused_method_names_those_that_are_answered(
    client: TestClient, method: str, path: str, allowed: str
) -> None:
    response = client.request(method, path)
    assert (response.status_code, response.headers["allow"]) == (405, allowed)


def test_a_stream_is_not_read_to_its_end_for_a_head(settings: Callable[..., Settings]) -> None:
    from starlette.responses import StreamingResponse

    chunks = 0

    async def endless() -> Any:
        nonlocal chunks
        while True:
            chunks += 1
            yield b"x"

    app = create_app(settings())

    @app.get("/endless")
    async def stream() -> StreamingResponse:
        return StreamingResponse(endless())

    with TestClient(app) as client:
        response = client.head("/endless")
        text = client.get("/metrics").text
    assert (response.status_code, response.content, chunks) == (200, b"", 1)
    assert 'method="HEAD",route="/endless"' in text
