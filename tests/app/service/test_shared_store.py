"""Hosts that share an object store, each with a folder of its own, against a real S3 server and a folder."""

import os
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from moto.server import ThreadedMotoServer
from starlette.testclient import TestClient

from heedmap.app.errors import NotFound, StoreUnavailable
from heedmap.app.http.main import create_app
from heedmap.app.service import objects as objects_module
from heedmap.app.service import shared_store
from heedmap.app.service.objects import Objects
from heedmap.app.service.shared_store import SharedTraces
from heedmap.app.service.store import ANYONE
from heedmap.app.settings import Settings
from heedmap.model.errors import HeedmapError, TraceError
from heedmap.model.trace.trace import Trace

IDS = [f"{number:032x}" for number in range(8)]
DAY = 86_400.0
LIMITS = {"budget": 1 << 30, "memory": 1 << 30, "lifetime": DAY}


class Server:
    """An S3 server on a port of its own, which can be away for a while."""

    def __init__(self) -> None:
        self.port = 0
        self.start()

    def start(self) -> None:
        self.server = ThreadedMotoServer("127.0.0.1", self.port, verbose=False)
        self.server.start()
        _, self.port = self.server.get_host_and_port()

    def stop(self) -> None:
        self.server.stop()

    def bucket(self, name: str) -> str:
        urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:{self.port}/{name}", method="PUT")).close()
        return f"s3://{name}/traces"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    server = Server()
    with pytest.MonkeyPatch.context() as patched:
        for name, value in {
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.port}",
            "AWS_ALLOW_HTTP": "true",
        }.items():
            patched.setenv(name, value)
        yield server
    server.stop()


@pytest.fixture
def address(server: Server, request: pytest.FixtureRequest) -> str:
    return server.bucket(f"b{abs(hash(request.node.name)):x}"[:40])


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The store is asked each time."""
    monkeypatch.setattr(shared_store, "CONFIRM_SECONDS", 0.0)


def host(folder: Path, address: str, **limits: Any) -> SharedTraces:
    store = SharedTraces(folder, Objects(address), **{**LIMITS, **limits})
    store.open()
    return store


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("kind", ["s3", "file"])
def test_what_one_host_makes_another_serves_and_forgets(
    tmp_path: Path, server: Server, address: str, trace: Trace, kind: str
) -> None:
    place = address if kind == "s3" else (tmp_path / "shared").as_uri()
    one, other = host(tmp_path / "one", place), host(tmp_path / "other", place)
    held = one.put(ANYONE, IDS[0], "tiny", trace)
    theirs = other.get(ANYONE, IDS[0])
    assert theirs.trace.map("cross", 0).dense().equal(trace.map("cross", 0).dense())
    assert theirs.version == held.version, "the ETags of its maps are the same on all hosts"
    assert (len(one), len(other), other.bytes) == (1, 1, one.bytes)
    with pytest.raises(NotFound):
        other.get("1" * 32, IDS[0])
    other.delete(ANYONE, IDS[0])
    for store in (one, other):
        with pytest.raises(NotFound):
            store.get(ANYONE, IDS[0])
        assert list((store.folder / ANYONE).iterdir()) == []
        with pytest.raises(NotFound):
            store.delete(ANYONE, IDS[0])


def test_what_was_in_the_store_a_moment_ago_is_not_asked_again(
    tmp_path: Path, address: str, trace: Trace, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = host(tmp_path / "one", address)
    store.put(ANYONE, IDS[0], "tiny", trace)
    monkeypatch.setattr(Objects, "changed", lambda *rest: pytest.fail("the network was asked"))
    assert store.peek(ANYONE, IDS[0]) is not None
    assert store.get(ANYONE, IDS[0]).id == IDS[0]
    monkeypatch.setattr(shared_store, "CONFIRM_SECONDS", 0.0)
    assert store.peek(ANYONE, IDS[0]) is None, "peek waits for nothing"


@pytest.mark.usefixtures("impatient")
def test_of_equal_traces_the_first_stays(tmp_path: Path, address: str, trace: Trace) -> None:
    clocks = [2_000_000_000.0, 2_000_000_100.0]
    stores = [
        SharedTraces(tmp_path / str(n), Objects(address), **LIMITS, clock=lambda n=n: clocks[n])  # type: ignore[misc]
        for n in range(2)
    ]
    for store in stores:
        store.open()
    first = stores[0].put(ANYONE, IDS[0], "tiny", trace)
    second = stores[1].put(ANYONE, IDS[0], "tiny", trace)
    assert first.version == second.version


@pytest.mark.usefixtures("impatient")
def test_a_large_trace_goes_in_parts(
    tmp_path: Path, address: str, trace: Trace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objects_module, "MULTIPART", 1000)
    store = host(tmp_path / "one", address)
    store.put(ANYONE, IDS[0], "tiny", trace)
    store.put(ANYONE, IDS[0], "tiny", trace)
    assert host(tmp_path / "other", address).get(ANYONE, IDS[0]).size == store.bytes


@pytest.mark.usefixtures("impatient")
def test_while_the_store_is_away_nothing_is_lost(tmp_path: Path, server: Server, address: str, trace: Trace) -> None:
    one, other = host(tmp_path / "one", address), host(tmp_path / "other", address)
    one.put(ANYONE, IDS[0], "tiny", trace)
    server.stop()
    try:
        assert one.get(ANYONE, IDS[0]).id == IDS[0], "what is in the folder is served"
        for attempt in (
            lambda: other.get(ANYONE, IDS[0]),
            lambda: one.put(ANYONE, IDS[1], "tiny", trace),
            lambda: one.delete(ANYONE, IDS[0]),
        ):
            with pytest.raises(StoreUnavailable) as raised:
                attempt()
            assert int(raised.value.headers["Retry-After"]) > 0
        with pytest.raises(StoreUnavailable):
            one.settle(ANYONE, IDS[1])
        one.budget = 1
        one.sweep()
        kept = {path.name for path in (tmp_path / "one" / ANYONE).iterdir()}
        assert {f"{IDS[1]}.safetensors", f"{IDS[1]}.unsent"} <= kept, "what is here alone is not evicted"
        with pytest.raises(HeedmapError, match="does not answer"):
            host(tmp_path / "third", address)
    finally:
        server.start()
        server.bucket(address.split("/")[2])
    one.budget = 1 << 30
    one.sweep()
    assert not list((tmp_path / "one").rglob("*.unsent"))
    assert other.get(ANYONE, IDS[1]).trace.to_json() == trace.to_json()


@pytest.mark.usefixtures("impatient")
def test_a_copy_that_is_damaged_is_fetched_again_and_one_in_the_store_heals_by_a_post(
    tmp_path: Path, trace: Trace
) -> None:
    one, other = (host(tmp_path / name, (tmp_path / "shared").as_uri()) for name in ("one", "other"))
    one.put(ANYONE, IDS[0], "tiny", trace)
    copy = tmp_path / "one" / ANYONE / f"{IDS[0]}.safetensors"
    os.truncate(copy, 100)
    assert one.get(ANYONE, IDS[0]).trace.to_json() == trace.to_json()
    original = tmp_path / "shared" / ANYONE / copy.name
    data = bytearray(original.read_bytes())
    data[-1] ^= 1
    original.write_bytes(data)
    with pytest.raises(TraceError, match="digest"):
        other.get(ANYONE, IDS[0])
    assert list((tmp_path / "other" / ANYONE).iterdir()) == []
    other.put(ANYONE, IDS[0], "tiny", trace)
    assert host(tmp_path / "third", (tmp_path / "shared").as_uri()).get(ANYONE, IDS[0]).size == len(data)


@pytest.mark.usefixtures("impatient")
def test_what_nobody_uses_expires_for_all_and_what_somebody_uses_does_not(tmp_path: Path, trace: Trace) -> None:
    store = host(tmp_path / "one", (tmp_path / "shared").as_uri())
    for identifier in IDS[:3]:
        store.put(ANYONE, identifier, "tiny", trace)
    folder = tmp_path / "shared" / ANYONE
    (folder / "notes.txt").write_text("not ours")
    for path, age in zip(sorted(folder.iterdir()), (0.6, 1.1, 1.1, 9), strict=True):
        os.utime(path, (store.clock(), store.clock() - age * DAY))
    store.get(ANYONE, IDS[0])
    assert store.clock() - (folder / f"{IDS[0]}.safetensors").stat().st_mtime < 60, "put again, as it is used"
    with pytest.raises(NotFound):
        store.get(ANYONE, IDS[1])
    store._looked = -shared_store.OBJECTS_SECONDS - 1e9
    store.sweep()
    assert sorted(path.name for path in folder.iterdir()) == [f"{IDS[0]}.safetensors", "notes.txt"]


@pytest.mark.usefixtures("impatient")
def test_one_deletes_while_the_other_reads(tmp_path: Path, address: str, trace: Trace) -> None:
    stores = [host(tmp_path / str(number), address) for number in range(2)]
    failures: list[BaseException] = []

    def work(store: SharedTraces, turn: int) -> None:
        try:
            for number in range(12):
                identifier = IDS[number % 2]
                if turn:
                    with suppress(NotFound):
                        assert store.get(ANYONE, identifier).trace.map("cross", 0).dense().equal(expected)
                else:
                    store.put(ANYONE, identifier, "tiny", trace)
                    with suppress(NotFound):
                        store.delete(ANYONE, identifier)
        except BaseException as error:
            failures.append(error)

    expected = trace.map("cross", 0).dense()
    threads = [threading.Thread(target=work, args=(stores[turn], turn)) for turn in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_two_services_share_a_bucket(
    settings: Any, tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = {"inputs": "Wo ist der Bahnhof?", "parameters": {"max_new_tokens": 6}}
    both = [create_app(settings(traces=address, trace_cache=tmp_path / name)) for name in ("one", "other")]
    with TestClient(both[0]) as one, TestClient(both[1]) as other:
        identifier = one.post("/v1/traces", json=body).json()["id"]
        place = f"/v1/traces/{identifier}/maps/cross/0/0"
        ours, theirs = one.get(place), other.get(place)
        assert (theirs.status_code, theirs.content, theirs.headers["etag"]) == (200, ours.content, ours.headers["etag"])
        assert other.get(place, headers={"If-None-Match": ours.headers["etag"]}).status_code == 304
        assert other.get(f"/v1/traces/{identifier}/file").content == one.get(f"/v1/traces/{identifier}/file").content
        assert other.delete(f"/v1/traces/{identifier}").status_code == 204
        monkeypatch.setattr(shared_store, "CONFIRM_SECONDS", 0.0)
        assert one.get(place).status_code == 404

        def away(*rest: Any, **more: Any) -> None:
            raise StoreUnavailable("away", headers={"Retry-After": "5"})

        with monkeypatch.context() as patched:
            patched.setattr(Objects, "put", away)
            for _ in range(2):  # the second finds it in the folder: still it is not where it would survive the host
                response = one.post("/v1/traces", json=body)
                assert (response.status_code, response.headers["retry-after"]) == (503, "5")
        assert other.get(place).status_code == 404
        assert one.post("/v1/traces", json=body).status_code == 201
        assert other.get(place).status_code == 200


@pytest.mark.parametrize("address", ["s3://", "s3://?", "az://"])
def test_an_address_that_is_none_is_said_so(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(HeedmapError, match="s3://bucket/prefix would be one"):
        Objects(address)


def test_settings_take_an_address_or_a_folder(tmp_path: Path) -> None:
    assert Settings(traces=str(tmp_path)).trace_folder == Settings(traces=tmp_path).traces == tmp_path
    shared = Settings(traces="s3://bucket/prefix", trace_cache=tmp_path)  # type: ignore[arg-type]
    assert (shared.traces, shared.trace_folder) == ("s3://bucket/prefix", tmp_path)
    with pytest.raises(ValueError, match="s3, gs, az, file, memory, not in ftp://"):
        Settings(traces="ftp://host/folder")  # type: ignore[arg-type]
