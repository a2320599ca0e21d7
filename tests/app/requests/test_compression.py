"""Compressed bodies are read as what they inflate to, within the limit of a plain one."""

import gzip
import json
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from heedmap.app.http.main import create_app
from heedmap.app.settings import Settings

BODY = json.dumps({"inputs": "Wo ist der Bahnhof?", "parameters": {"max_new_tokens": 6}}).encode()
FORM = (
    b'--x\r\nContent-Disposition: form-data; name="inputs"\r\n\r\nWo ist der Bahnhof?\r\n'
    b'--x\r\nContent-Disposition: form-data; name="parameters"\r\n\r\n{"max_new_tokens": 6}\r\n--x--\r\n'
)


def raw_deflate(data: bytes) -> bytes:
    """Without zlib's frame, as some clients send it."""
    return zlib.compress(data)[2:-4]


def send(client: TestClient, body: Any, encoding: str, media: str = "application/json") -> Any:
    return client.post("/v1/predict", content=body, headers={"Content-Type": media, "Content-Encoding": encoding})


@pytest.mark.parametrize(
    ("encoding", "compress"),
    [
        ("gzip", gzip.compress),
        ("GZIP", gzip.compress),
        ("x-gzip", gzip.compress),
        ("identity, gzip", gzip.compress),
        ("gzip", lambda data: gzip.compress(data[:20]) + gzip.compress(data[20:])),
        ("deflate", zlib.compress),
        ("deflate", raw_deflate),
        ("identity", bytes),
    ],
)
@pytest.mark.parametrize(("body", "media"), [(BODY, "application/json"), (FORM, "multipart/form-data; boundary=x")])
def test_a_compressed_body_answers_as_the_plain_one(
    client: TestClient, encoding: str, compress: Callable[[bytes], bytes], body: bytes, media: str
) -> None:
    plain = client.post("/v1/predict", content=body, headers={"Content-Type": media})
    response = send(client, compress(body), encoding, media)
    assert (response.status_code, response.json()) == (200, plain.json())


def test_a_body_may_come_in_any_pieces(client: TestClient) -> None:
    packed = gzip.compress(BODY, mtime=0)
    response = send(client, (packed[at : at + 1] for at in range(len(packed))), "gzip")
    assert response.status_code == 200


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "gzip, br", "nonsense"])
def test_other_encodings_are_refused_by_name(client: TestClient, encoding: str) -> None:
    response = send(client, b"\x0b\x02\x80", encoding)
    assert response.status_code == 415
    assert response.headers["accept-encoding"] == "gzip, deflate"
    assert "gzip or deflate" in response.json()["detail"]


@pytest.mark.parametrize(
    ("encoding", "body", "said"),
    [
        ("gzip", BODY, "no gzip data"),
        ("deflate", BODY, "no deflate data"),
        ("gzip", gzip.compress(BODY, mtime=0)[:-9], "breaks off"),
        ("gzip", gzip.compress(BODY, mtime=0) + b"tail", "no gzip data"),
        ("deflate", zlib.compress(BODY) + b"tail", "after the end"),
        ("gzip", gzip.compress(b'{"inputs": ', mtime=0), "not JSON"),
    ],
)
def test_a_body_that_is_not_what_it_says(client: TestClient, encoding: str, body: bytes, said: str) -> None:
    response = send(client, body, encoding)
    assert (response.status_code, response.json()["errors"][0]["path"]) == (422, "body")
    assert said in response.json()["detail"]


def test_a_bomb_is_stopped_at_the_limit(settings: Callable[..., Settings]) -> None:
    field = b'--x\r\nContent-Disposition: form-data; name="inputs"\r\n\r\n'
    with TestClient(create_app(settings(body_bytes=1 << 20))) as client:
        tracemalloc.start()
        try:
            for start, media in ((b"", "application/json"), (field, "multipart/form-data; boundary=x")):
                packer = zlib.compressobj(9, wbits=31)
                bomb = packer.compress(start)
                bomb += b"".join([packer.compress(b" " * (1 << 20)) for _ in range(512)]) + packer.flush()
                assert len(bomb) < 1 << 20
                response = send(client, bomb, "gzip", media)
                assert response.status_code == 413
                assert "1,048,576" in response.json()["detail"]
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert peak < 32 << 20


def test_the_limit_holds_for_what_is_sent_too(settings: Callable[..., Settings]) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(10_000):
            yield gzip.compress(b"")

    with TestClient(create_app(settings(body_bytes=4096))) as client:
        assert send(client, endless(), "gzip").status_code == 413


def test_a_request_without_a_body_needs_no_encoding(client: TestClient) -> None:
    assert client.get("/v1/models", headers={"Content-Encoding": "br"}).status_code == 200
