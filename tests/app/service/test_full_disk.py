"""A full disk: others make room once, then it is said so; nothing partial is left, and the store lives on."""

import errno
import os
import resource
from pathlib import Path
from typing import Any, BinaryIO

import pytest
import torch
from structlog.testing import capture_logs

from heedmap.app.errors import StorageFull
from heedmap.app.service import trace_files
from heedmap.app.service.store import ANYONE
from heedmap.model.trace import trace as trace_module
from heedmap.model.trace.trace import Trace
from tests.app.service.stores import IDS, Clock, opened


class Disk:
    """A full one: writing fails so many times, and counts."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, failures: int, error: int = errno.ENOSPC) -> None:
        self.failures, self.error, self.tries = failures, error, 0
        write_sealed = trace_module.write_sealed

        def limited(file: BinaryIO, *rest: Any) -> int:
            self.tries += 1
            if self.tries <= self.failures:
                file.write(b"half")
                raise OSError(self.error, os.strerror(self.error))
            return write_sealed(file, *rest)

        monkeypatch.setattr(trace_module, "write_sealed", limited)


def test_a_full_disk_makes_room_once(
    tmp_path: Path, clock: Clock, trace: Trace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trace_files, "HEADER_ROOM", 0)
    store = opened(tmp_path, clock)
    for identifier in IDS[:3]:
        clock.now += 100
        store.put(ANYONE, identifier, "tiny", trace)
    disk = Disk(monkeypatch, failures=1)
    store.put(ANYONE, IDS[3], "tiny", trace)
    assert disk.tries == 2
    kept = sorted(path.name for path in (tmp_path / ANYONE).iterdir())
    assert kept == [f"{identifier}.safetensors" for identifier in IDS[1:]], "the least recently used has gone"
    assert store.bytes == sum(path.stat().st_size for path in (tmp_path / ANYONE).iterdir())


@pytest.mark.parametrize(("error", "tries", "left"), [(errno.ENOSPC, 2, 1), (errno.EDQUOT, 2, 1), (errno.EFBIG, 1, 2)])
def test_a_disk_that_stays_full_is_said_so(
    tmp_path: Path, clock: Clock, trace: Trace, monkeypatch: pytest.MonkeyPatch, error: int, tries: int, left: int
) -> None:
    monkeypatch.setattr(trace_files, "HEADER_ROOM", 0)
    store = opened(tmp_path, clock)
    for identifier in IDS[:2]:
        clock.now += 100
        store.put(ANYONE, identifier, "tiny", trace)
    disk = Disk(monkeypatch, failures=9, error=error)
    with pytest.raises(StorageFull, match="DELETE other traces"):
        store.put(ANYONE, IDS[3], "tiny", trace)
    assert disk.tries == tries
    assert len(list((tmp_path / ANYONE).iterdir())) == left, "nothing partial; where evicting helps it was tried"
    monkeypatch.undo()
    assert store.put(ANYONE, IDS[3], "tiny", trace).id == IDS[3]


def test_what_no_eviction_can_make_room_for_evicts_nothing(
    tmp_path: Path, clock: Clock, trace: Trace, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = opened(tmp_path, clock)
    store.put(ANYONE, IDS[0], "tiny", trace)
    monkeypatch.setattr(trace_files, "HEADER_ROOM", 1 << 60)
    Disk(monkeypatch, failures=9)
    with pytest.raises(StorageFull):
        store.put(ANYONE, IDS[1], "tiny", trace)
    assert store.get(ANYONE, IDS[0]).id == IDS[0]


def test_a_file_that_may_not_grow_leaves_nothing_and_the_process_lives(
    tmp_path: Path, clock: Clock, trace: Trace
) -> None:
    store = opened(tmp_path, clock)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with capture_logs(), pytest.raises(StorageFull):  # what captures the output is a file too
            store.put(ANYONE, IDS[0], "tiny", trace)
        store.sweep()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list((tmp_path / ANYONE).iterdir()) == []
    store.put(ANYONE, IDS[0], "tiny", trace)
    store.keep_beside(ANYONE, IDS[0], "head", {"0": torch.ones(9)})
    resource.setrlimit(resource.RLIMIT_FSIZE, (150, limits[1]))
    try:
        with capture_logs():
            store.keep_beside(ANYONE, IDS[0], "other", {"0": torch.ones(999)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert store.beside(ANYONE, IDS[0], "other") == {}
    assert len(store) == 1
