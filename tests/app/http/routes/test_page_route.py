"""A trace as a page over HTTP: whole, its owner's own, asked again for nothing, and refused where it is too large."""

import base64
import gzip
import re
from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from heedmap.app.http.main import create_app
from heedmap.app.http.routes import pages
from heedmap.app.settings import Settings

BODY = {"inputs": "Wo ist der Bahnhof?", "parameters": {"max_new_tokens": 6}}


def carried(page: bytes) -> bytes:
    """The trace's file in a page."""
    [content] = re.findall(rb'id="trace">([\w+/=]*)</script>', page)
    return gzip.decompress(base64.b64decode(content))


def test_the_page_has_the_very_file(client: TestClient, summary: dict[str, Any]) -> None:
    place = f"/v1/traces/{summary['id']}"
    response = client.get(f"{place}/page")
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.headers["content-disposition"] == f'attachment; filename="{summary["id"]}.html"'
    assert "sandbox" in response.headers["content-security-policy"], "shown here it would have the API's origin"
    assert "allow-same-origin" not in response.headers["content-security-policy"]
    assert carried(response.content) == client.get(f"{place}/file").content
    assert b"<title>Wo ist der Bahnhof? \xc2\xb7 tiny" in response.content
    assert client.get(f"{place}/page").content == response.content


def test_who_has_it_is_told_so_until_the_explorer_is_another(
    client: TestClient, summary: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    place = f"/v1/traces/{summary['id']}/page"
    tag = client.get(place).headers["etag"]
    again = client.get(place, headers={"If-None-Match": tag})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["cache-control"] == "public, no-cache"
    monkeypatch.setattr(pages, "edition", lambda: "another")
    assert client.get(place, headers={"If-None-Match": tag}).status_code == 200


def test_a_large_trace_is_refused_and_its_file_named(settings: Callable[..., Settings]) -> None:
    with TestClient(create_app(settings(response_bytes=20_000))) as client:
        made = client.post("/v1/traces", json=BODY).json()
        response = client.get(f"/v1/traces/{made['id']}/page")
        assert response.status_code == 413
        assert f"/v1/traces/{made['id']}/file" in response.json()["detail"]
        assert client.get(f"/v1/traces/{made['id']}/file").status_code == 200


def test_nobody_has_the_page_of_anothers_trace(settings: Callable[..., Settings]) -> None:
    one, other = "a-key-of-one-person", "a-key-of-the-other"
    with TestClient(create_app(settings(api_keys=(one, other)))) as client:
        made = client.post("/v1/traces", json=BODY, headers={"X-API-Key": one}).json()
        place = f"/v1/traces/{made['id']}/page"
        assert client.get(place).status_code == 401
        assert client.get(place, headers={"X-API-Key": other}).status_code == 404
        response = client.get(place, headers={"X-API-Key": one})
        assert response.status_code == 200
        assert response.headers["cache-control"] == "private, no-cache"
    with TestClient(create_app(settings())) as client:
        assert client.get("/v1/traces/0000/page").status_code == 404
