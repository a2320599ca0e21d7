"""JSON answers in gzip: for those who take it, where it is worth it, and named as another representation."""

import gzip
import json
from typing import Any

import pytest
from starlette.testclient import TestClient

Summary = dict[str, Any]
PLAIN = {"Accept-Encoding": "identity"}


def raw(client: TestClient, path: str, accepts: str) -> tuple[bytes, dict[str, str]]:
    """The bytes as they are sent, and their headers."""
    with client.stream("GET", path, headers={"Accept-Encoding": accepts}) as answer:
        return b"".join(answer.iter_raw()), dict(answer.headers)


@pytest.mark.parametrize("path", ["/v1/traces/{id}", "/v1/traces/{id}/heads", "/v1/traces/{id}/maps/cross/0/all"])
def test_json_is_packed_for_those_who_take_it(client: TestClient, summary: Summary, path: str) -> None:
    path = path.format(id=summary["id"])
    packed, headers = raw(client, path, "gzip")
    assert headers["content-encoding"] == "gzip"
    assert headers["content-length"] == str(len(packed))
    assert "Accept-Encoding" in headers["vary"]
    plain, bare = raw(client, path, "identity")
    assert "content-encoding" not in bare
    assert "Accept-Encoding" in bare["vary"]
    assert json.loads(gzip.decompress(packed)) == json.loads(plain)
    assert len(packed) < len(plain)


def test_what_is_small_or_no_json_goes_as_it_is(client: TestClient, summary: Summary) -> None:
    for path in ("/healthz", f"/v1/traces/{summary['id']}/maps/cross/0/all?format=npy"):
        body, headers = raw(client, path, "gzip")
        assert "content-encoding" not in headers
        assert headers["content-length"] == str(len(body))


def test_each_encoding_has_a_tag_of_its_own_and_both_are_current(client: TestClient, summary: Summary) -> None:
    path = f"/v1/traces/{summary['id']}/maps/cross/0/all"
    tags = [raw(client, path, accepts)[1]["etag"] for accepts in ("gzip", "identity")]
    assert tags[0] == tags[1][:-1] + '-gzip"'
    for tag in tags:
        again = client.get(path, headers={"If-None-Match": tag})
        assert (again.status_code, again.headers["etag"]) == (304, tag)
    assert client.get(path, headers={"If-None-Match": '"other-gzip"'}).status_code == 200


def test_an_event_stream_is_not_held_back(client: TestClient) -> None:
    body = {"inputs": "Wo ist er?", "stream": True}
    with client.stream("POST", "/v1/predict", json=body, headers={"Accept-Encoding": "gzip"}) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert "content-encoding" not in answer.headers
        assert b"event: " in b"".join(answer.iter_raw())
