"""Work that later calls join while it is under way: within the limit of a batch, and not when it is another's turn."""

import asyncio
import threading
import time
from collections.abc import Callable, Sequence

from heedmap.app import ticket
from heedmap.app.service.call import Call
from heedmap.app.service.engine import Engine
from heedmap.model.errors import Cancelled
from tests.app.service.test_engine import Stop, running, waiting


class Counting:
    """Work that others join: an item is a number of steps; every step is noted with who is in it."""

    def __init__(self) -> None:
        self.steps: list[list[int]] = []
        self.go = threading.Event()

    def __call__(self, items: Sequence[int], stop: Stop) -> list[int]:
        raise AssertionError("it is served")

    def serve(self, calls: Sequence[Call], more: Callable[[int], Sequence[Call]], stop: Stop) -> None:
        running = {call: sum(call.items) for call in calls}
        while running and not stop():
            self.go.wait()
            self.steps.append([sum(call.items) for call in running])
            running = {call: left - 1 for call, left in running.items() if not call.over()}
            for call in [call for call, left in running.items() if left == 0]:
                del running[call]
                call.settle(list(call.items))
            running |= {call: sum(call.items) for call in more(8)}
            time.sleep(0.01)
        for call in running:
            call.settle(error=Cancelled("stopped"))


async def test_who_comes_later_joins_what_is_under_way_up_to_the_limit_of_a_batch() -> None:
    work = Counting()
    async with running(batch=2) as engine:
        first = asyncio.create_task(engine.run_batch("a", [4], work, kind="count"))  # type: ignore[arg-type]
        while not engine.busy:
            await asyncio.sleep(0.001)
        others = [asyncio.create_task(engine.run_batch("a", [n], work, kind="count")) for n in (2, 3)]  # type: ignore[arg-type]
        await waiting(engine, 2)
        work.go.set()
        assert await asyncio.gather(first, *others) == [[4], [2], [3]]
        assert work.steps == [[4], [4, 2], [4, 2], [4, 3], [3], [3]]
        assert 0.005 < engine.admission.rate.seconds("count", 1.0) < 1.0


async def test_what_is_joined_without_end_leaves_the_others_their_turn() -> None:
    work, answered = Counting(), 0
    work.go.set()

    async def ask(caller: str, engine: Engine) -> None:
        nonlocal answered
        while not over.is_set():
            with ticket.bearing(ticket.Ticket(caller, time.monotonic() + 5)):
                await engine.run_batch("a", [3], work)  # type: ignore[arg-type]
            answered += 1

    over = asyncio.Event()
    async with running() as engine:
        crowd = [asyncio.create_task(ask("crowd", engine)) for _ in range(3)]
        await asyncio.sleep(0.2)
        begun = time.monotonic()
        with ticket.bearing(ticket.Ticket("other", begun + 5)):
            assert await engine.run_batch("b", [1], lambda items, stop: list(items)) == [1]
        assert time.monotonic() - begun < 1.0
        over.set()
        await asyncio.gather(*crowd)
    assert answered > 3
