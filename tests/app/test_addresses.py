"""On a real server: `--root-path` behind a proxy that strips the prefix and says nothing, names with a slash, HEAD."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin

import httpx
import pytest

from tests.live import service

PREFIX = "/tools/heedmap"
LINK = re.compile(r'(?:href|src)="([^"#][^"]*)"')
PARAMETERS = {"max_new_tokens": 4}


@pytest.fixture(scope="module")
def inside(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """What the proxy talks to: a service under its own addresses, told of the prefix alone."""
    arguments = ["--model", f"org/x={tiny}", "--root-path", PREFIX]
    with (
        service(tmp_path_factory.mktemp("prefix"), *arguments) as url,
        httpx.Client(base_url=url, timeout=60) as client,
    ):
        yield client


def through(client: httpx.Client, path: str) -> httpx.Response:
    """What a browser gets at a path of the proxy's, which strips the prefix and knows nothing beside it."""
    assert path.startswith(f"{PREFIX}/"), f"{path} leads out of the prefix"
    return client.get(path.removeprefix(PREFIX))


@pytest.mark.parametrize("page", ["/", "/docs"])
def test_every_link_of_a_page_stays_under_the_prefix(inside: httpx.Client, page: str) -> None:
    html = through(inside, PREFIX + page)
    assert html.status_code == 200
    links = [link for link in LINK.findall(html.text) if not link.startswith(("https:", "data:"))]
    assert len(links) > 3
    for link in links:
        assert through(inside, urljoin(PREFIX + page, link)).status_code == 200, link


def test_what_the_docs_call_is_under_the_prefix(inside: httpx.Client) -> None:
    start = through(inside, f"{PREFIX}/docs/start.js").text
    [document] = re.findall(r'url: "([^"]+)"', start)
    place = urljoin(f"{PREFIX}/docs", document)
    described = through(inside, place).json()
    for server in described["servers"]:
        base = urljoin(place, server["url"]).rstrip("/")
        for path in ("/v1/models", "/healthz"):
            assert path in described["paths"]
            assert through(inside, base + path).status_code == 200, server


def test_a_location_is_under_the_prefix(inside: httpx.Client) -> None:
    body = {"inputs": "Wo ist der Bahnhof?", "parameters": PARAMETERS}
    created = inside.post("/v1/traces", json=body)
    assert created.status_code == 201, created.text
    assert through(inside, created.headers["location"]).json()["id"] == created.json()["id"]


@pytest.mark.parametrize("prefix", ["", PREFIX], ids=["stripped", "as it is"])
@pytest.mark.parametrize("name", ["org%2Fx", "org%2fx", "org/x"])
def test_a_name_with_a_slash_is_one_model(inside: httpx.Client, prefix: str, name: str) -> None:
    """Encoded by whoever knows that it is one name, or not; httpx sends the path as it stands here."""
    answer = inside.get(f"{prefix}/v1/models/{name}")
    assert answer.request.url.raw_path.decode() == f"{prefix}/v1/models/{name}"
    assert (answer.status_code, answer.json()["name"]) == (200, "org/x")
    assert inside.head(f"{prefix}/v1/models/{name}").status_code == 200
    missing = inside.get(f"{prefix}/v1/models/{name}y")
    assert (missing.status_code, missing.headers["content-type"]) == (404, "application/problem+json")
    assert "org/xy" in missing.json()["detail"]


@pytest.mark.parametrize("path", ["/", "/docs", "/css/base.css", "/openapi.json", "/v1/models", "/v1/models/nobody"])
def test_head_leaves_the_connection_open(inside: httpx.Client, path: str) -> None:
    """A server that waits for the rest of a body breaks the connection, which a client without one never sees."""
    head, got = inside.head(path), inside.get(path)
    assert (head.status_code, head.content) == (got.status_code, b"")
    assert head.headers["content-length"] == str(len(got.content)) or "content-encoding" in got.headers
    streams = [answer.extensions["network_stream"].get_extra_info("client_addr") for answer in (head, got)]
    assert streams[0] == streams[1]
