"""Work of many steps that was let in: late it may be, but no later step of it is refused."""

import asyncio
import time

import pytest

from heedmap.app import ticket
from heedmap.app.errors import DeadlineExceeded, Overloaded
from tests.app.service.busy import at_work
from tests.app.service.test_engine import running, waiting


async def test_work_that_was_let_in_is_not_refused_half_way() -> None:
    async with running(queue=2) as engine:
        async with at_work(engine):
            tasks = [asyncio.create_task(engine.run(int)) for _ in range(2)]
            await waiting(engine, 2)
            further = asyncio.create_task(engine.run_batch("a", [1], lambda items, stop: list(items), further=True))
            turn = asyncio.create_task(engine.run(int, turn=True, further=True))
            await waiting(engine, 4)
        assert await further == [1]
        assert await turn == 0
        await asyncio.gather(*tasks)


async def test_a_step_that_would_be_late_is_late_and_not_refused() -> None:
    async with running() as engine:
        engine.admission.rate.note("slow", 1.0, 5.0)
        async with at_work(engine):
            before = asyncio.create_task(engine.run(int))
            await waiting(engine, 1)
            with ticket.bearing(ticket.Ticket("a", deadline=time.monotonic() + 0.2)):
                with pytest.raises(Overloaded):
                    await engine.run_batch("a", [1], lambda items, stop: list(items), kind="slow")
                with pytest.raises(DeadlineExceeded):
                    await engine.run_batch("a", [1], lambda items, stop: list(items), kind="slow", further=True)
        assert await before == 0
