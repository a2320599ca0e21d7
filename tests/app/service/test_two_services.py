"""Two services on one folder: each serves, evicts and forgets the other's traces; who dies leaves nothing for ever."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from heedmap.app.errors import NotFound
from heedmap.app.service.store import ANYONE, TraceStore
from heedmap.model.trace.trace import Trace
from heedmap.model.whole_file import clear_away
from tests.live import environment, service

WRITER = """
import sys, time
from pathlib import Path
from heedmap.model.whole_file import whole_file
with whole_file(Path(sys.argv[1])) as file:
    file.write(b"half")
    file.flush()
    print("writing", flush=True)
    time.sleep(600)
"""
KEY = "a-key-of-16-letters-"


@pytest.fixture(scope="module")
def budget(tiny: Path, tmp_path_factory: pytest.TempPathFactory, trace: Trace) -> int:
    """Room for three traces and a half."""
    return 7 * trace.save(tmp_path_factory.mktemp("one") / "trace") // 2


@pytest.fixture(scope="module")
def two(tiny: Path, tmp_path_factory: pytest.TempPathFactory, budget: int) -> Iterator[list[httpx.Client]]:
    """Clients of two services with one folder."""
    folder = tmp_path_factory.mktemp("shared")
    (folder / "other").mkdir()
    shared = ["--model", f"tiny={tiny}", "--traces", str(folder / "traces")]
    with (
        service(folder, *shared, trace_bytes=str(budget)) as one,
        service(folder / "other", *shared, trace_bytes=str(budget)) as other,
        httpx.Client(base_url=one, timeout=60) as first,
        httpx.Client(base_url=other, timeout=60) as second,
    ):
        yield [first, second]


def posted(client: httpx.Client, text: str) -> str:
    body = {"inputs": text, "parameters": {"max_new_tokens": 4}}
    return str(client.post("/v1/traces", json=body).raise_for_status().json()["id"])


def test_each_serves_and_forgets_the_others_traces(two: list[httpx.Client]) -> None:
    first, second = two
    identifier = posted(first, "Wo ist der Bahnhof?")
    path = f"/v1/traces/{identifier}/maps/cross/0/0"
    ours, theirs = first.get(path), second.get(path)
    assert (ours.status_code, theirs.status_code) == (200, 200)
    assert (theirs.content, theirs.headers["ETag"]) == (ours.content, ours.headers["ETag"])
    assert second.delete(f"/v1/traces/{identifier}").status_code == 204
    for rest in ("", "/file", "/heads", "/maps/cross/0/0", "/tiles/cross/0/0/max/0/0/0"):
        assert first.get(f"/v1/traces/{identifier}{rest}").status_code == 404, rest
    assert first.delete(f"/v1/traces/{identifier}").status_code == 404


def test_they_evict_under_one_budget(two: list[httpx.Client], budget: int) -> None:
    created = []
    for number in range(6):
        created.append(posted(two[number % 2], f"Wer sind die {number}?"))
        time.sleep(0.02)
    answers = [[client.get(f"/v1/traces/{identifier}").status_code for identifier in created] for client in two]
    assert answers[0] == answers[1]
    assert answers[0][0] == 404
    assert answers[0][-1] == 200
    for client in two:
        [held] = [line for line in client.get("/metrics").text.splitlines() if line.startswith("heedmap_trace_bytes ")]
        assert 0 < float(held.split()[1]) <= budget


def test_a_trace_is_its_keys_on_every_service(tiny: Path, tmp_path: Path) -> None:
    """The owner is the key's, not the service's, though each service lists its keys in an order of its own."""
    (tmp_path / "other").mkdir()
    shared = ["--model", f"tiny={tiny}", "--traces", str(tmp_path / "traces")]
    with (
        service(tmp_path, *shared, api_keys=f"{KEY}a,{KEY}b") as one,
        service(tmp_path / "other", *shared, api_keys=f"{KEY}b,{KEY}a") as other,
        httpx.Client(timeout=60) as client,
    ):
        keys = {name: {"X-API-Key": f"{KEY}{name}"} for name in "ab"}
        body = {"inputs": "Wo ist der Bahnhof?", "parameters": {"max_new_tokens": 4}}
        created = client.post(f"{one}/v1/traces", json=body, headers=keys["a"])
        assert created.status_code == 201, created.text
        path = f"/v1/traces/{created.json()['id']}"
        reads = (path, f"{path}/file", f"{path}/maps/cross/0/0", f"{path}/heads")
        for url in (one, other):
            for read in reads:
                assert client.get(url + read, headers=keys["b"]).status_code == 404, read
                assert client.get(url + read).status_code == 401, read
            assert client.delete(url + path, headers=keys["b"]).status_code == 404
        for read in reads:
            assert client.get(other + read, headers=keys["a"]).status_code == 200, read
        assert client.delete(other + path, headers=keys["a"]).status_code == 204
        assert client.get(one + path, headers=keys["a"]).status_code == 404


def test_what_is_being_written_is_left_alone_until_its_writer_dies(tmp_path: Path) -> None:
    (tmp_path / ANYONE).mkdir()
    target = tmp_path / ANYONE / f"{0:032x}.safetensors"
    command = [sys.executable, "-c", WRITER, str(target)]
    writer = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment())
    try:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"writing\n"
        store = TraceStore(tmp_path, budget=1 << 30, memory=0, lifetime=1e6)
        store.open()
        assert len(list(target.parent.iterdir())) == 1
    finally:
        writer.kill()
        writer.wait()
        assert writer.stdout is not None
        writer.stdout.close()
    store.sweep()
    assert list(target.parent.iterdir()) == []
    clear_away(target)  # which is not there


def test_threads_that_put_read_and_delete_never_meet_anything_but_a_404(tmp_path: Path, trace: Trace) -> None:
    size = trace.save(tmp_path / "size")
    stores = [TraceStore(tmp_path / "traces", budget=3 * size, memory=size, lifetime=1e6) for _ in range(2)]
    for store in stores:
        store.open()
    failures: list[BaseException] = []

    def work(store: TraceStore, turn: int) -> None:
        try:
            for number in range(25):
                identifier = f"{(number * 7 + turn) % 5:032x}"
                store.put(ANYONE, identifier, "tiny", trace)
                with suppress(NotFound):
                    store.get(ANYONE, identifier).trace.map("cross", 0).dense()
                store.keep_beside(ANYONE, identifier, "head", {"0": trace.map("cross", 0).q})
                if number % 3 == 0:
                    with suppress(NotFound):
                        store.delete(ANYONE, identifier)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(stores[turn % 2], turn)) for turn in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    stores[0].sweep()
    kept = [path for path in (tmp_path / "traces").glob("*/**/*") if path.is_file()]
    assert not [path for path in kept if path.name.endswith(".partial")]
    assert stores[0].bytes == stores[1].bytes == sum(path.stat().st_size for path in kept)
    assert all(
        (path.parent.parent / f"{path.parent.stem}.safetensors").exists() for path in kept if path.stem == "head"
    )
