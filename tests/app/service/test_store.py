"""Traces are whole or absent, survive a restart, stay within their budget, and belong to their owner."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from heedmap.app.errors import NotFound
from heedmap.app.service import account, trace_files
from heedmap.app.service import store as store_module
from heedmap.app.service.store import ANYONE
from heedmap.model.errors import TraceError
from heedmap.model.trace import tensor_reader
from heedmap.model.trace.trace import Trace
from tests.app.service.stores import DAY, IDS, Clock, opened


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
    mine, yours = "0" * 32, "1" * 32
    store.put(mine, IDS[0], "tiny", trace)
    assert store.get(mine, IDS[0]).id == IDS[0]
    for call in (store.get, store.opened, store.delete):
        with pytest.raises(NotFound):
            call(yours, IDS[0])
    assert "key" not in str(list(tmp_path.rglob("*")))


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
        store.opened(ANYONE, IDS[0])


def test_nobody_else_on_the_machine_reads_traces_not_even_those_of_before(
    tmp_path: Path, clock: Clock, trace: Trace
) -> None:
    before, strange = tmp_path / ANYONE, tmp_path / "notes"
    for folder in (before, strange):
        folder.mkdir(mode=0o755)
    store = opened(tmp_path, clock)
    store.put("0" * 32, IDS[0], "tiny", trace)
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.rglob("*")}
    assert modes.pop("notes") == strange.stat().st_mode & 0o777 == 0o755
    assert modes == {ANYONE: 0o700, "0" * 32: 0o700, f"{IDS[0]}.safetensors": 0o600, ".account": 0o600}


@pytest.mark.parametrize("mapped", [False, True])
def test_a_flipped_bit_is_found_when_the_trace_is_opened_and_healed_by_the_next(
    tmp_path: Path, clock: Clock, trace: Trace, mapped: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if mapped:
        monkeypatch.setattr(tensor_reader, "IN_MEMORY", 0)
    store = opened(tmp_path, clock)
    store.put(ANYONE, IDS[0], "tiny", trace)
    path = tmp_path / ANYONE / f"{IDS[0]}.safetensors"
    data = bytearray(path.read_bytes())
    data[-5] ^= 64
    path.write_bytes(data)
    os.utime(path, (clock.now, clock.now + 1))
    assert store.peek(ANYONE, IDS[0]) is None, "what was in memory is no longer what is on disk"
    with pytest.raises(TraceError, match="digest"):
        store.get(ANYONE, IDS[0])
    store.put(ANYONE, IDS[0], "tiny", trace)
    assert store.get(ANYONE, IDS[0]).trace.map("cross", 0).dense().equal(trace.map("cross", 0).dense())
    data[-5] ^= 1
    path.write_bytes(data)
    os.utime(path, (clock.now, clock.now + 2))
    store.delete(ANYONE, IDS[0])
    assert not path.exists()


def test_a_file_under_another_id_is_refused(tmp_path: Path, clock: Clock, trace: Trace) -> None:
    store = opened(tmp_path, clock)
    store.put(ANYONE, IDS[0], "tiny", trace)
    path = tmp_path / ANYONE / f"{IDS[0]}.safetensors"
    shutil.copy2(path, path.with_stem(IDS[1]))
    with pytest.raises(TraceError, match=f"{IDS[1]}.* is the trace of another id, {IDS[0]}"):
        store.get(ANYONE, IDS[1])
    trace.save(path.with_stem(IDS[2]), date=clock.now)
    with pytest.raises(TraceError, match="is the trace of another id, None"):
        store.get(ANYONE, IDS[2])


def test_what_lies_beside_a_trace_is_checked_too(tmp_path: Path, clock: Clock, trace: Trace) -> None:
    store = opened(tmp_path, clock)
    store.put(ANYONE, IDS[0], "tiny", trace)
    store.keep_beside(ANYONE, IDS[0], "head", {"0": torch.ones(9)})
    assert store.beside(ANYONE, IDS[0], "head")["0"].sum() == 9
    path = tmp_path / ANYONE / f"{IDS[0]}.tiles" / "head.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert store.beside(ANYONE, IDS[0], "head") == {}


def test_nobody_else_on_the_machine_reads_what_is_kept(tmp_path: Path, clock: Clock, trace: Trace) -> None:
    mask = os.umask(0o022)
    try:
        store = opened(tmp_path / "traces", clock)
        store.put(ANYONE, IDS[0], "tiny", trace)
        store.keep_beside(ANYONE, IDS[0], "head", {"0": torch.ones(9)})
    finally:
        os.umask(mask)
    everything = [tmp_path / "traces", *(tmp_path / "traces").rglob("*")]
    assert len(everything) == 6
    for path in everything:
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600), path


def test_no_folder_is_looked_through_where_one_trace_is_asked_for(
    tmp_path: Path, clock: Clock, trace: Trace, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = opened(tmp_path, clock)
    scans: list[object] = []
    for name in ("scandir", "listdir"):
        looks = getattr(os, name)

        def look(*arguments: Any, looks: Any = looks) -> Any:
            scans.append(arguments)
            return looks(*arguments)

        monkeypatch.setattr(os, name, look)
    store.put(ANYONE, IDS[0], "tiny", trace)
    store.delete(ANYONE, IDS[0])
    scans.clear()
    store.put(ANYONE, IDS[0], "tiny", trace)
    for _ in range(3):
        store.get(ANYONE, IDS[0]).summary()
        store.peek(ANYONE, IDS[0])
        store.opened(ANYONE, IDS[0])
        store.beside(ANYONE, IDS[0], "head")
    assert scans in ([], [(tmp_path / ANYONE / f"{IDS[0]}.tiles",)]), "its own tiles alone"
    store.sweep()
    assert len(scans) > 1


def test_nobody_waits_for_a_count_of_the_folder(
    tmp_path: Path, clock: Clock, trace: Trace, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, other = opened(tmp_path, clock), opened(tmp_path, clock)
    store.put(ANYONE, IDS[0], "tiny", trace)
    listed = trace_files.listed

    def slow(folder: Path) -> Iterator[trace_files.TraceFile]:
        yield from listed(folder)
        other.put(ANYONE, IDS[1], "tiny", trace)  # would wait for ever for a lock that the count held
        other.delete(ANYONE, IDS[0])

    monkeypatch.setattr(store_module, "listed", slow)
    store.sweep()
    monkeypatch.undo()
    assert store.get(ANYONE, IDS[1]).id == IDS[1]
    assert (len(store), store.bytes) == (1, other.get(ANYONE, IDS[1]).size)


def test_the_account_is_written_over_in_place(tmp_path: Path) -> None:
    ledger = account.Account(tmp_path)
    for number in (5, 10**15, 7):
        with ledger.changing() as totals:
            totals.bytes = number
        assert ledger.totals().bytes == number
        assert ledger.path.stat().st_size == account.LENGTH
    ledger.path.write_bytes(b'{"bytes"')  # of an earlier release
    assert ledger.totals() == account.Totals()
