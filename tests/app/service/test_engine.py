"""One thread owns the device; calls wait in a bounded queue, are batched, time out and are given up."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from heedmap.app.errors import DeadlineExceeded, Overloaded, WorkerStopped
from heedmap.app.service.engine import THREAD, Engine
from heedmap.model.errors import Cancelled, EmptyInput
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


async def test_short_calls_go_ahead_of_predictions() -> None:
    order: list[str] = []
    async with running() as engine:
        async with at_work(engine):
            long = asyncio.create_task(engine.run_batch("a", [1], lambda items, stop: order.append("long") or [1]))
            await waiting(engine, 1)
            short = asyncio.create_task(engine.run(lambda: order.append("short")))
            await waiting(engine, 2)
        await asyncio.gather(long, short)
    assert order == ["short", "long"]


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
