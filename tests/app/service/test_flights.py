"""Equal work under way is done once; whoever goes takes nobody else's answer along."""

import asyncio

import pytest

from heedmap.app.errors import DeadlineExceeded
from heedmap.app.service.flights import Flights, frozen


async def test_equal_work_is_done_once_and_survives_who_began_it() -> None:
    flights: Flights[int] = Flights()
    begun, free = 0, asyncio.Event()

    async def work() -> int:
        nonlocal begun
        begun += 1
        await free.wait()
        return 7

    tasks = [asyncio.create_task(flights.join("a", work)) for _ in range(3)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    await asyncio.sleep(0)
    free.set()
    assert await asyncio.gather(*tasks[1:]) == [7, 7]
    assert begun == 1
    assert await flights.join("a", work) == 7
    assert begun == 2, "what has ended is not remembered"


async def test_work_ends_when_all_have_gone() -> None:
    flights: Flights[None] = Flights()
    stopped = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            stopped.set()

    tasks = [asyncio.create_task(flights.join("a", work)) for _ in range(2)]
    await asyncio.sleep(0.01)
    tasks[0].cancel()
    await asyncio.sleep(0.01)
    assert not stopped.is_set()
    tasks[1].cancel()
    await asyncio.wait_for(stopped.wait(), 5)


async def test_the_deadline_of_the_first_is_not_the_seconds() -> None:
    flights: Flights[str] = Flights()
    answers = iter([DeadlineExceeded("the first one's"), "answer"])

    async def work() -> str:
        await asyncio.sleep(0.01)
        outcome = next(answers)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    first, second = (asyncio.create_task(flights.join("a", work)) for _ in range(2))
    with pytest.raises(DeadlineExceeded):
        await first
    assert await second == "answer"


def test_equal_inputs_are_equal_whatever_their_order() -> None:
    one = frozen({"image": b"x", "text": ["a", {"b": 1}]})
    assert one == frozen({"text": ["a", {"b": 1}], "image": b"x"})
    assert hash(one) != hash(frozen({"image": b"y"}))
