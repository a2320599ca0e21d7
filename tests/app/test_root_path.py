"""Behind a proxy that serves Heedmap under a path of its own and strips it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urljoin

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.testclient import TestClient
from starlette.types import ASGIApp

from heedmap.app.http.main import create_app
from heedmap.app.root_path import forwarded
from heedmap.app.settings import Settings

BODY = {"inputs": "Wo ist der Bahnhof?", "parameters": {"max_new_tokens": 6}}
PREFIX = "/tools/heedmap"


def stripping(app: ASGIApp, *, header: bool) -> Starlette:
    """A proxy that serves an app under PREFIX and nothing else; `header` says whether it names what it stripped."""
    inner = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://inside:8000")

    async def passed(request: Request) -> Response:
        path = "/" + request.scope["raw_path"].decode().removeprefix(PREFIX).lstrip("/")
        headers = {name: value for name, value in request.headers.items() if name != "host"}
        if header:
            headers["X-Forwarded-Prefix"] = PREFIX
        query = f"?{request.url.query}" if request.url.query else ""
        answer = await inner.request(request.method, path + query, content=await request.body(), headers=headers)
        ours = ("content-encoding", "content-length")  # what came was unpacked on its way
        kept = {name: value for name, value in answer.headers.items() if name not in ours}
        return Response(answer.content, answer.status_code, kept)

    return Starlette(routes=[Route(f"{PREFIX}/{{rest:path}}", passed, methods=["GET", "POST", "HEAD", "DELETE"])])


@contextmanager
def behind(settings: Settings, *, header: bool) -> Iterator[TestClient]:
    app = create_app(settings)
    with TestClient(app), TestClient(stripping(app, header=header)) as outside:
        yield outside


def test_everything_is_found_under_the_prefix(settings: Callable[..., Settings]) -> None:
    with behind(settings(), header=True) as client:
        created = client.post(f"{PREFIX}/v1/traces", json=BODY)
        location = created.headers["location"]
        assert location == f"{PREFIX}/v1/traces/{created.json()['id']}"
        assert client.get(location).json()["id"] == created.json()["id"]
        assert client.get(f"{PREFIX}/").status_code == 200
        assert client.get(f"{PREFIX}/js/main.js").status_code == 200
        missing = client.get(f"{PREFIX}/v1/nothing")
        assert (missing.status_code, missing.headers["content-type"]) == (404, "application/problem+json")
        assert client.post(f"{PREFIX}/v1/models").headers["allow"] == "GET, HEAD"


@pytest.mark.parametrize("header", [True, False])
def test_the_description_names_where_it_was_fetched_from(settings: Callable[..., Settings], header: bool) -> None:
    with behind(settings(), header=header) as client:
        page = f"{PREFIX}/docs"
        assert 'url: "openapi.json"' in client.get(urljoin(page, "docs/start.js")).text
        document = urljoin(page, "openapi.json")
        schema = client.get(document).json()
        for server in schema["servers"]:
            base = urljoin(document, server["url"]).rstrip("/")
            assert base == PREFIX
            assert client.get(f"{base}/v1/models").status_code == 200


def test_the_setting_names_the_prefix_of_a_proxy_that_does_not(settings: Callable[..., Settings]) -> None:
    with behind(settings(root_path=f"{PREFIX}/"), header=False) as client:
        created = client.post(f"{PREFIX}/v1/traces", json=BODY)
        assert created.headers["location"].startswith(f"{PREFIX}/v1/traces/")
        assert client.get(f"{PREFIX}/openapi.json").json()["servers"][0] == {"url": PREFIX}


def test_a_proxy_that_strips_nothing_is_understood(settings: Callable[..., Settings]) -> None:
    with TestClient(create_app(settings(root_path=PREFIX))) as client:
        assert client.get(f"{PREFIX}/v1/models").status_code == client.get("/v1/models").status_code == 200
        assert client.get(f"{PREFIX}/docs").status_code == 200
        assert client.get(f"{PREFIX}/css/base.css").status_code == 200


@pytest.mark.parametrize(
    ("header", "prefix"),
    [
        ("/heedmap", "/heedmap"),
        ("/heedmap/", "/heedmap"),
        ("/outer, /inner", "/outer/inner"),
        ("//evil.example", ""),
        ("https://evil.example", ""),
        ("/a b", ""),
        ("/a\x00", ""),
        ("/" + "a" * 300, ""),
        ("/", ""),
        ("", ""),
    ],
)
def test_only_a_plain_path_is_a_prefix(header: str, prefix: str) -> None:
    assert forwarded(header) == prefix


def test_a_location_never_leads_to_another_host(client: TestClient) -> None:
    created: Any = client.post("/v1/traces", json=BODY, headers={"X-Forwarded-Prefix": "//evil.example"})
    assert created.headers["location"].startswith("/v1/traces/")


def test_a_wrong_setting_says_what_is_right(settings: Callable[..., Settings]) -> None:
    with pytest.raises(ValueError, match="such as /heedmap"):
        settings(root_path="heedmap")


def test_the_client_takes_an_address_with_a_prefix(settings: Callable[..., Settings]) -> None:
    from heedmap.app.client.api import Client

    requests: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request.url.path)
        return httpx.Response(200, json={"models": []})

    for url in ("http://host/tools/heedmap", "http://host/tools/heedmap/"):
        with Client(url, transport=httpx.MockTransport(answer)) as client:
            client.models()
    assert requests == [f"{PREFIX}/v1/models"] * 2
