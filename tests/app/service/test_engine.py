"""One thread owns the device; calls wait in a bounded queue, are batched, time out and are given up."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
import torch

from heedmap.app import ticket
from heedmap.app.errors import DeadlineExceeded, Overloaded, Stopping, WorkerStopped
from heedmap.app.service.crew import Crew
from heedmap.app.service.engine import THREAD, Engine
from heedmap.app.service.watchdog import Watchdog
from heedmap.model.errors import Cancelled, EmptyInput, OutOfMemory
from heedmap.model.isolation import DeviceLost, isolated
from tests.app.service.busy import at_work

Stop = Callable[[], bool]


@asynccontextmanager
async def running(queue: int = 8, batch: int = 4, deadline: float = 5.0) -> AsyncIterator[Engine]:
    engine = Engine(queue=queue, batch=batch, deadline=deadline)
    engine.start()
    try:
        yield engine
    finally:
        engine.stop()


async def waiting(engine: Engine, count: int) -> None:
    while engine.waiting < count:
        await asyncio.sleep(0.001)


async def test_calls_run_on_the_one_worker_thread() -> None:
    async with running() as engine:
        names = await asyncio.gather(*(engine.run(lambda: threading.current_thread().name) for _ in range(5)))
    assert set(names) == {THREAD}
    assert threading.current_thread().name != THREAD


async def test_waiting_predictions_of_one_model_become_one_batch() -> None:
    batches: list[Sequence[Any]] = []

    def double(items: Sequence[int], stop: Stop) -> list[int]:
        batches.append(list(items))
        return [2 * item for item in items]

    async with running() as engine:
        async with at_work(engine):
            tasks = [asyncio.create_task(engine.run_batch("a", items, double)) for items in ([1], [2, 3], [4])]
            other = asyncio.create_task(engine.run_batch("b", [10], double))
            await waiting(engine, 4)
        assert await asyncio.gather(*tasks, other) == [[2], [4, 6], [8], [20]]
    assert batches == [[1, 2, 3, 4], [10]]


async def test_a_batch_has_a_limit_and_keeps_the_order() -> None:
    batches: list[list[int]] = []

    def note(items: Sequence[int], stop: Stop) -> list[int]:
        batches.append(list(items))
        return list(items)

    async with running(batch=2) as engine:
        async with at_work(engine):
            tasks = [asyncio.create_task(engine.run_batch("a", [number], note)) for number in range(5)]
            await waiting(engine, 5)
        await asyncio.gather(*tasks)
    assert batches == [[0, 1], [2, 3], [4]]


async def test_a_full_queue_refuses_and_says_when_to_come_back() -> None:
    async with running(queue=2) as engine:
        async with at_work(engine):
            tasks = [asyncio.create_task(engine.run(int)) for _ in range(2)]
            await waiting(engine, 2)
            assert engine.full
            with pytest.raises(Overloaded) as caught:
                await engine.run(int)
            assert caught.value.headers["Retry-After"] == "1"
        assert await asyncio.gather(*tasks) == [0, 0]


async def test_the_deadline_ends_the_wait_and_the_work() -> None:
    stopped = threading.Event()

    def endless(items: Sequence[int], stop: Stop) -> list[int]:
        while not stop():
            time.sleep(0.001)
        stopped.set()
        raise Cancelled("stopped")

    async with running(deadline=0.1) as engine:
        with pytest.raises(DeadlineExceeded):
            await engine.run_batch("a", [1], endless)
        assert await asyncio.to_thread(stopped.wait, 5)


async def test_work_stops_when_all_of_its_callers_have_gone_and_not_before() -> None:
    started, stopped = threading.Event(), threading.Event()

    def endless(items: Sequence[int], stop: Stop) -> list[int]:
        started.set()
        while not stop():
            time.sleep(0.001)
        stopped.set()
        raise Cancelled("stopped")

    async with running() as engine:
        async with at_work(engine):
            tasks = [asyncio.create_task(engine.run_batch("a", [number], endless)) for number in (1, 2)]
            await waiting(engine, 2)
        await asyncio.to_thread(started.wait, 5)
        tasks[0].cancel()
        await asyncio.sleep(0.05)
        assert not stopped.is_set(), "the second caller still waits"
        tasks[1].cancel()
        assert await asyncio.to_thread(stopped.wait, 5)
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_an_abandoned_call_is_never_begun() -> None:
    begun: list[int] = []
    async with running() as engine:
        async with at_work(engine):
            task = asyncio.create_task(engine.run(lambda: begun.append(1)))
            await waiting(engine, 1)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await engine.run(int)
    assert begun == []


async def test_an_error_reaches_its_caller_and_the_worker_goes_on() -> None:
    def fail() -> None:
        raise EmptyInput("nothing")

    async with running() as engine:
        with pytest.raises(EmptyInput):
            await engine.run(fail)
        assert await engine.run(int) == 0


async def test_who_breaks_a_batch_breaks_it_alone() -> None:
    def fussy(items: Sequence[int], stop: Stop) -> list[int]:
        if 13 in items:
            raise RuntimeError("thirteen")
        return list(items)

    async with running() as engine:
        async with at_work(engine):
            tasks = [asyncio.create_task(engine.run_batch("a", [number], fussy)) for number in (1, 13, 2)]
            await waiting(engine, 3)
        results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [results[0], results[2]] == [[1], [2]]
    assert isinstance(results[1], RuntimeError)


async def test_a_dead_worker_leaves_nobody_waiting() -> None:
    def die() -> None:
        raise SystemExit

    async with running() as engine:
        async with at_work(engine):
            dying = asyncio.create_task(engine.run(die))
            await waiting(engine, 1)
            after = asyncio.create_task(engine.run(int))
            await waiting(engine, 2)
        for task in (dying, after):
            with pytest.raises(WorkerStopped):
                await task
        while engine.alive:
            await asyncio.sleep(0.001)
        with pytest.raises(WorkerStopped):
            await engine.run(int)


@pytest.mark.parametrize(
    ("error", "ends"),
    [
        (torch.AcceleratorError("CUDA error: an illegal memory access was encountered"), True),
        (RuntimeError("CUDA error: device-side assert triggered"), True),
        (RuntimeError("CUBLAS_STATUS_EXECUTION_FAILED when calling cublasSgemm"), True),
        (DeviceLost("the accelerator has failed"), True),
        (torch.OutOfMemoryError("CUDA out of memory"), False),
        (RuntimeError("CUBLAS_STATUS_NOT_SUPPORTED"), False),
        (RuntimeError("shapes do not match"), False),
    ],
)
async def test_an_accelerator_that_has_failed_ends_the_worker(error: BaseException, ends: bool) -> None:
    def fail() -> None:
        raise error

    async with running() as engine:
        async with at_work(engine):
            failing = asyncio.create_task(engine.run(fail))
            await waiting(engine, 1)
            after = asyncio.create_task(engine.run(lambda: 5))
            await waiting(engine, 2)
        with pytest.raises(WorkerStopped if ends else Exception):
            await failing
        if not ends:
            assert await after == 5
            return
        with pytest.raises(WorkerStopped):
            await after
        while engine.alive:
            await asyncio.sleep(0.001)


def test_nobody_takes_a_failed_accelerator_for_a_bad_input() -> None:
    def fail(items: Sequence[int]) -> list[int]:
        raise torch.AcceleratorError("CUDA error: unspecified launch failure")

    with pytest.raises(DeviceLost, match="unspecified launch failure"):
        isolated(fail, [1, 2])


async def test_what_may_be_used_once_is_used_by_one_worker_at_a_time() -> None:
    crew = Crew()
    one, other = (Engine(queue=8, batch=1, deadline=5.0, crew=crew) for _ in range(2))
    inside, most = 0, 0

    def use(items: Sequence[int], stop: Stop) -> list[int]:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        time.sleep(0.01)
        inside -= 1
        return list(items)

    one.start()
    other.start()
    try:
        calls = [w.run_batch(i, [i], use, exclusive="model") for i in range(4) for w in (one, other)]
        await asyncio.gather(*calls)
    finally:
        one.stop()
        other.stop()
    assert most == 1


async def test_memory_that_runs_out_splits_the_batch_once() -> None:
    sizes: list[int] = []

    def hungry(items: Sequence[int], stop: Stop) -> list[int]:
        sizes.append(len(items))
        if len(items) > 2 or 13 in items:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes")
        return list(items)

    async with running() as engine:
        async with at_work(engine):
            tasks = [asyncio.create_task(engine.run_batch("a", [number], hungry)) for number in (1, 2, 3, 13)]
            await waiting(engine, 4)
        results = await asyncio.gather(*tasks, return_exceptions=True)
    assert results[:3] == [[1], [2], [3]]
    assert isinstance(results[3], OutOfMemory)
    assert "shorter" in str(results[3])
    assert sizes == [4, 2, 2, 1, 1]


async def test_a_request_may_name_a_sooner_deadline() -> None:
    async with running() as engine:
        with ticket.bearing(ticket.Ticket("a", time.monotonic() + 0.05)), pytest.raises(DeadlineExceeded):
            await engine.run(lambda: time.sleep(0.3))


async def test_what_is_abandoned_is_answered_and_stopped() -> None:
    stopped = threading.Event()

    def endless(stop: Stop) -> None:
        while not stop():
            time.sleep(0.001)
        stopped.set()

    async with running() as engine:
        working = asyncio.create_task(engine.run_stoppable(endless))
        while not engine.busy:
            await asyncio.sleep(0.001)
        queued = asyncio.create_task(engine.run(int))
        await waiting(engine, 1)
        engine.abandon(Stopping("the end"))
        for task in (working, queued):
            with pytest.raises(Stopping):
                await task
        assert await asyncio.to_thread(stopped.wait, 5)


async def test_work_that_shows_no_progress_is_told_from_work_that_does() -> None:
    async with running() as engine:
        watchdog = Watchdog({"device": engine}, hang=0.05)
        async with at_work(engine):
            await asyncio.sleep(0.1)
            assert watchdog.hung() == ["device"]
        while engine.busy:
            await asyncio.sleep(0.001)
        assert watchdog.hung() == watchdog.dead() == []

        def steady(stop: Stop) -> None:
            for _ in range(20):
                stop()
                time.sleep(0.005)

        task = asyncio.create_task(engine.run_stoppable(steady))
        while not task.done():
            assert watchdog.hung() == []
            await asyncio.sleep(0.005)
