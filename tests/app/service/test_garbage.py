"""Memory that a storm of requests took is the system's again; what is kept out of collection goes when it is let go."""

import asyncio
import gc
import sys
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from heedmap.app.service import garbage
from heedmap.app.service.engine import Engine
from heedmap.app.service.watchdog import REST, Watchdog


class Loop:
    """Something that holds itself, as networks that have been wired up do."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(garbage, "_kept", False)
    garbage.keep()
    yield
    gc.unfreeze()
    gc.collect()


@pytest.mark.usefixtures("kept")
def test_what_was_loaded_is_left_alone_until_it_is_let_go() -> None:
    loop = Loop()
    held = weakref.ref(loop)
    garbage.keep_new()
    before = gc.get_freeze_count()
    assert before > 1000
    del loop
    gc.collect()
    assert held() is not None, "nobody looked"
    garbage.sweep()
    assert held() is None
    assert gc.get_freeze_count() > 1000


def test_outside_of_a_server_nothing_is_frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(garbage, "_kept", False)
    before = gc.get_freeze_count()
    garbage.keep_new()
    garbage.sweep()
    assert gc.get_freeze_count() == before


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems give memory back by themselves")
def test_what_was_freed_is_given_back() -> None:
    garbage.give_back()
    before = resident()
    blocks = [torch.ones(2048) for _ in range(20_000)]  # 160 MB in blocks that glibc keeps on its heap
    assert resident() - before > 140 << 20
    last = blocks[-1]
    del blocks
    assert garbage.give_back()
    assert resident() - before < 40 << 20
    assert last.sum() == 2048


async def test_memory_is_given_back_once_after_every_piece_of_work() -> None:
    engine = Engine(queue=8, batch=4, deadline=5)
    dog = Watchdog({"device": engine}, hang=5)
    engine.start()
    try:
        assert not dog.rests(), "nothing has been done"
        for _ in range(2):
            await engine.run(lambda: None)
            while engine.busy:
                await asyncio.sleep(0.001)
            assert not dog.rests(), "more may come"
            engine.left -= 2 * REST
            if dog._given_back:
                dog._given_back -= 3 * REST
            assert dog.rests()
            assert not dog.rests()
    finally:
        engine.stop()
