"""The explorer's files as they are sent: compressed, for ever or asked for each time, and plain on request."""

import gzip
import re
from collections.abc import Callable, Iterator

import pytest
from starlette.testclient import TestClient

from heedmap.app.http import explorer
from heedmap.app.http.main import create_app
from heedmap.app.settings import STATIC, Settings
from heedmap.model.page.errors import LinkError


@pytest.fixture(scope="module")
def plain(settings: Callable[..., Settings]) -> Iterator[TestClient]:
    """A service whose page is made of the folder's own files."""
    with TestClient(create_app(settings(explorer="plain"))) as client:
        yield client


def addresses(page: str) -> list[str]:
    """What a page names beside itself."""
    return re.findall(r'\b(?:src|href|data-src)="(?!#)([^"]+)"', page)


def test_the_page_names_few_files_that_may_be_kept_for_ever(client: TestClient) -> None:
    page = client.get("/")
    assert page.headers["cache-control"] == "no-cache"
    assert page.headers["content-encoding"] == "gzip"
    files = [name for name in addresses(page.text) if name.startswith("built/")]
    assert len(files) == 4
    assert "js/main.js" not in page.text
    for name in files:
        response = client.get(f"/{name}")
        assert response.status_code == 200, name
        assert response.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert (response.headers["content-encoding"], response.headers["vary"]) == ("gzip", "Accept-Encoding")
        assert response.headers["x-content-type-options"] == "nosniff"
        again = client.get(f"/{name}", headers={"If-None-Match": response.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
    assert client.get("/built/explorer-0123456789abcdef.js").status_code == 404


def test_the_lab_is_a_page_of_its_own(client: TestClient, plain: TestClient) -> None:
    page = client.get("/lab")
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert page.headers["cache-control"] == "no-cache"
    assert "default-src 'none'; script-src 'self'; style-src 'self'; " in page.headers["content-security-policy"]
    assert 'id="essay"' in page.text
    assert re.search(r"<style|\sstyle=|\son\w+=", page.text) is None
    files = [name for name in addresses(page.text) if name.startswith("built/")]
    assert len(files) == 3
    assert all(client.get(f"/{name}").headers["cache-control"].endswith("immutable") for name in files)
    head = client.head("/lab")
    assert (head.status_code, head.headers["etag"], head.content) == (200, page.headers["etag"], b"")
    assert client.get("/lab", headers={"If-None-Match": page.headers["etag"]}).status_code == 304
    assert plain.get("/lab").content == (STATIC / "lab.html").read_bytes()
    assert client.post("/lab").status_code == 405
    assert client.get("/laboratory").status_code == 404


@pytest.mark.parametrize(
    ("accepts", "zipped"),
    [
        ("gzip", True),
        ("br, gzip;q=0.5", True),
        ("*", True),
        ("GZIP ; q=1.0", True),
        ("gzip;q=0", False),
        ("gzip;q=0.0, br", False),
        ("identity", False),
        ("xgzip", False),
        ("", False),
    ],
)
def test_gzip_is_for_those_who_take_it(client: TestClient, accepts: str, zipped: bool) -> None:
    response = client.get("/index.html", headers={"Accept-Encoding": accepts})
    assert ("content-encoding" in response.headers) is zipped
    assert response.text.startswith("<!doctype html>")
    assert response.headers["etag"].endswith('-gzip"') is zipped


def test_the_folders_own_files_are_there_too(client: TestClient, plain: TestClient) -> None:
    main = (STATIC / "js" / "main.js").read_bytes()
    assert client.get("/js/main.js").content == main
    assert client.get("/js/main.js").headers["cache-control"] == "no-cache"
    page = plain.get("/")
    assert page.content == (STATIC / "index.html").read_bytes()
    assert [name for name in addresses(page.text) if name.startswith("built/")] == []


def test_a_file_that_cannot_be_joined_takes_nothing_away(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise LinkError("main.js: waits at its top")

    monkeypatch.setattr(explorer, "assets", broken)
    response = client.get("/")
    assert response.content == (STATIC / "index.html").read_bytes()


def test_what_is_sent_is_what_gzip_says(client: TestClient) -> None:
    with client.stream("GET", "/", headers={"Accept-Encoding": "gzip"}) as response:
        raw = b"".join(response.iter_raw())
    assert int(response.headers["content-length"]) == len(raw)
    assert gzip.decompress(raw).startswith(b"<!doctype html>")
