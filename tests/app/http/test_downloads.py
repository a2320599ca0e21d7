"""A trace's file arrives whole, whoever removes it meanwhile, or is a problem like any missing trace."""

import hashlib
import os
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from starlette.types import Message

from heedmap.app.http.downloads import OpenedFile
from heedmap.app.service.store import TraceStore

BODY = {"inputs": "Wo sind die Bücher?", "parameters": {"max_new_tokens": 4}}


@pytest.fixture
def identifier(client: TestClient) -> str:
    """A trace of this module's own."""
    return str(client.post("/v1/traces", json=BODY).raise_for_status().json()["id"])


def test_a_file_removed_between_look_up_and_opening_is_a_missing_trace(
    client: TestClient, identifier: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = TraceStore._look

    def removed_afterwards(store: TraceStore, key: Any) -> Any:
        file = look(store, key)
        store._path(key).unlink()
        return file

    monkeypatch.setattr(TraceStore, "_look", removed_afterwards)
    answer = client.get(f"/v1/traces/{identifier}/file")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    assert "POST /v1/traces makes it again" in answer.json()["detail"]


def test_ranges_are_answered(client: TestClient, identifier: str) -> None:
    whole = client.get(f"/v1/traces/{identifier}/file")
    part = client.get(f"/v1/traces/{identifier}/file", headers={"Range": "bytes=8-15"})
    assert (part.status_code, part.content) == (206, whole.content[8:16])
    assert client.get(f"/v1/traces/{identifier}/file", headers={"Range": "bytes=x"}).status_code == 400
    assert client.head(f"/v1/traces/{identifier}/file").headers["content-length"] == str(len(whole.content))


@pytest.mark.parametrize("first", ["http.response.start", "http.response.body"], ids=["before", "while sent"])
async def test_a_file_removed_while_it_is_sent_arrives_whole(tmp_path: Path, first: str) -> None:
    path, content = tmp_path / "trace.safetensors", os.urandom(5 * OpenedFile.chunk_size + 17)
    path.write_bytes(content)
    file, received = path.open("rb"), hashlib.sha256()

    async def send(message: Message) -> None:
        if message["type"] == first:
            path.unlink(missing_ok=True)
        received.update(message.get("body", b""))

    async def receive() -> Message:
        raise AssertionError("nothing is read of the caller")

    scope = {"type": "http", "method": "GET", "headers": [], "asgi": {"spec_version": "2.4"}}
    await OpenedFile(file, "trace.safetensors")(scope, receive, send)
    assert not path.exists()
    assert received.hexdigest() == hashlib.sha256(content).hexdigest()
    assert file.closed


async def test_a_caller_who_goes_leaves_no_handle_behind(tmp_path: Path) -> None:
    (tmp_path / "trace").write_bytes(b"content")
    file = (tmp_path / "trace").open("rb")

    async def gone(message: Message) -> None:
        raise OSError("the connection is closed")

    scope = {"type": "http", "method": "GET", "headers": [], "asgi": {"spec_version": "2.4"}}
    with pytest.raises(OSError, match="closed"):
        await OpenedFile(file, "trace")(scope, None, gone)  # type: ignore[arg-type]
    assert file.closed
