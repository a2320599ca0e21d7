"""Traces are whole or absent, survive a restart, stay within their budget, and belong to their owner."""

import os
from pathlib import Path

import pytest

from heedmap.app.errors import NotFound
from heedmap.app.service.store import ANYONE, TraceStore, owner_of
from heedmap.model.contract import Parameters, Request
from heedmap.model.errors import TraceError
from heedmap.model.load import load
from heedmap.model.trace.trace import Trace

IDS = [f"{number:032x}" for number in range(4)]
DAY = 86_400.0


class Clock:
    """Time that moves when it is told to; from now, because expiry looks at file times."""

    def __init__(self) -> None:
        self.now = 2_000_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def trace(tiny: Path) -> Trace:
    [recorded] = load(tiny).trace([Request("Wo ist der Bahnhof?", None, Parameters(max_new_tokens=4))])
    assert isinstance(recorded, Trace)
    return recorded


@pytest.fixture
def clock() -> Clock:
    return Clock()


def opened(folder: Path, clock: Clock, budget: int = 1 << 30, memory: int = 1 << 30) -> TraceStore:
    store = TraceStore(folder, budget=budget, memory=memory, lifetime=DAY, clock=clock)
    store.open()
    return store


def test_a_restart_finds_the_traces(tmp_path: Path, clock: Clock, trace: Trace) -> None:
    before = opened(tmp_path, clock).put(ANYONE, IDS[0], "tiny", trace).summary()
    clock.now += 100
    after = opened(tmp_path, clock).get(ANYONE, IDS[0]).summary()
    assert {**after, "expires_at": None} == {**before, "expires_at": None}
    assert (before["created_at"], before["expires_at"]) == ("2033-05-18T03:33:20Z", "2033-05-19T03:33:20Z")
    assert after["expires_at"] == "2033-05-19T03:35:00Z", "using it makes it live longer"


def test_the_map_after_a_restart_is_the_same_to_the_bit(tmp_path: Path, clock: Clock, trace: Trace) -> None:
    opened(tmp_path, clock).put(ANYONE, IDS[0], "tiny", trace)
    again = opened(tmp_path, clock).get(ANYONE, IDS[0]).trace
    assert again is not trace
    assert again.map("cross", -1).dense().equal(trace.map("cross", -1).dense())


def test_over_the_budget_the_least_recently_used_goes(tmp_path: Path, clock: Clock, trace: Trace) -> None:
    size = opened(tmp_path / "one", clock).put(ANYONE, IDS[0], "tiny", trace).size
    store = opened(tmp_path / "many", clock, budget=2 * size + size // 2)
    for identifier in IDS[:2]:
        clock.now += 100
        store.put(ANYONE, identifier, "tiny", trace)
    clock.now += 100
    store.get(ANYONE, IDS[0])
    clock.now += 100
    store.put(ANYONE, IDS[2], "tiny", trace)
    assert sorted(path.stem for path in (tmp_path / "many" / ANYONE).iterdir()) == [IDS[0], IDS[2]]
    assert store.bytes == 2 * size
    with pytest.raises(NotFound):
        store.get(ANYONE, IDS[1])
    again = opened(tmp_path / "many", clock, budget=size)  # a restart remembers who was used last
    assert [path.stem for path in (tmp_path / "many" / ANYONE).iterdir()] == [IDS[2]]
    assert len(again) == 1


def test_a_trace_larger_than_the_budget_is_still_answered(tmp_path: Path, clock: Clock, trace: Trace) -> None:
    store = opened(tmp_path, clock, budget=1)
    held = store.put(ANYONE, IDS[0], "tiny", trace)
    assert store.get(ANYONE, IDS[0]).trace is held.trace
    assert held.trace.prediction == trace.prediction


def test_an_unused_trace_expires(tmp_path: Path, clock: Clock, trace: Trace) -> None:
    store = opened(tmp_path, clock)
    store.put(ANYONE, IDS[0], "tiny", trace)
    clock.now += DAY - 1
    store.get(ANYONE, IDS[0])
    clock.now += DAY - 1
    store.get(ANYONE, IDS[0])
    clock.now += DAY + 1
    with pytest.raises(NotFound):
        store.get(ANYONE, IDS[0])
    store.sweep()
    assert list(tmp_path.glob("*/*.safetensors")) == []


@pytest.mark.parametrize("keep", [0, 7, 100, 5000])
def test_a_truncated_file_is_reported_and_stays(tmp_path: Path, clock: Clock, trace: Trace, keep: int) -> None:
    opened(tmp_path, clock).put(ANYONE, IDS[0], "tiny", trace)
    path = tmp_path / ANYONE / f"{IDS[0]}.safetensors"
    assert path.stat().st_size > 5000
    os.truncate(path, keep)
    os.utime(path, (clock.now, clock.now))  # the test's time, not the machine's
    store = opened(tmp_path, clock, budget=1 << 30)
    with pytest.raises(TraceError, match=IDS[0]):
        store.get(ANYONE, IDS[0])
    assert path.stat().st_size == keep
    store.put(ANYONE, IDS[0], "tiny", trace)
    assert opened(tmp_path, clock).get(ANYONE, IDS[0]).model == "tiny"


def test_an_unfinished_write_is_cleared_away(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / ANYONE).mkdir()
    partial = tmp_path / ANYONE / f"{IDS[0]}.safetensors.partial"
    partial.write_bytes(b"half")
    stranger = tmp_path / ANYONE / "notes.txt"
    stranger.write_text("not ours")
    assert len(opened(tmp_path, clock)) == 0
    assert not partial.exists()
    assert stranger.exists()


def test_owners_do_not_meet(tmp_path: Path, clock: Clock, trace: Trace) -> None:
    store = opened(tmp_path, clock)
    mine, yours = owner_of("my key"), owner_of("your key")
    store.put(mine, IDS[0], "tiny", trace)
    assert store.get(mine, IDS[0]).id == IDS[0]
    for call in (store.get, store.file, store.delete):
        with pytest.raises(NotFound):
            call(yours, IDS[0])
    assert "key" not in str([path.relative_to(tmp_path) for path in tmp_path.rglob("*")])


@pytest.mark.parametrize("name", ["../../etc/passwd", "", "a/b", "." * 300, "\0"])
def test_an_id_is_never_a_path(tmp_path: Path, clock: Clock, name: str) -> None:
    with pytest.raises(NotFound):
        opened(tmp_path, clock).get(ANYONE, name)


def test_memory_has_a_budget_of_its_own(tmp_path: Path, clock: Clock, trace: Trace) -> None:
    store = opened(tmp_path, clock, memory=trace.nbytes + 1)
    for identifier in IDS[:2]:
        store.put(ANYONE, identifier, "tiny", trace)
    assert store.peek(ANYONE, IDS[0]) is None
    assert store.peek(ANYONE, IDS[1]) is not None
    assert store.get(ANYONE, IDS[0]).trace is not trace, "read from its file again"


def test_a_file_deleted_by_hand_is_gone(tmp_path: Path, clock: Clock, trace: Trace) -> None:
    store = opened(tmp_path, clock)
    store.put(ANYONE, IDS[0], "tiny", trace)
    (tmp_path / ANYONE / f"{IDS[0]}.safetensors").unlink()
    clock.now += 100
    with pytest.raises(NotFound):
        store.file(ANYONE, IDS[0])
