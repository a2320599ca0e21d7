"""Equal work under way is done once, for all who ask for it."""

import asyncio
from collections.abc import Callable, Coroutine, Hashable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from heedmap.app import ticket
from heedmap.app.errors import DeadlineExceeded

T = TypeVar("T")


@dataclass(eq=False)
class _Flight(Generic[T]):
    task: "asyncio.Task[T]"
    waiting: int = 0


class Flights(Generic[T]):
    """Work that is under way, by what makes two pieces of it equal.

    Args:
        shared: done in nobody's name: who asks first lends it neither his turn nor his deadline.
    """

    def __init__(self, *, shared: bool = False) -> None:
        self._shared = shared
        self._flights: dict[Hashable, _Flight[T]] = {}

    def __len__(self) -> int:
        return len(self._flights)

    async def join(self, key: Hashable, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """What the work makes; it ends early only when all who wait for it have gone.

        Raises:
            Whatever the work does, but for the deadline of somebody who asked earlier: then it is begun anew.
        """
        while True:
            flight = self._flights.get(key)
            leads = flight is None
            if flight is None:
                with ticket.bearing(None if self._shared else ticket.current()):
                    flight = self._flights[key] = _Flight(asyncio.ensure_future(work()))
                flight.task.add_done_callback(partial(self._land, key, flight))
            flight.waiting += 1
            try:
                return await asyncio.shield(flight.task)
            except DeadlineExceeded:
                if leads or _late():
                    raise
            finally:
                flight.waiting -= 1
                if not flight.waiting and not flight.task.done():
                    self._land(key, flight)
                    flight.task.cancel()

    def _land(self, key: Hashable, flight: _Flight[T], _done: Any = None) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]
        if flight.task.done() and not flight.task.cancelled():
            flight.task.exception()  # seen, also where nobody waits any more


def _late() -> bool:
    held = ticket.current()
    return held is not None and asyncio.get_running_loop().time() > held.deadline


def frozen(value: Any) -> Hashable:
    """What requests hold, made of dictionaries, lists, texts and bytes, as something that can be compared and kept."""
    if isinstance(value, Mapping):
        return tuple(sorted((name, frozen(part)) for name, part in value.items()))
    if isinstance(value, list | tuple):
        return tuple(frozen(part) for part in value)
    return value if isinstance(value, Hashable) else repr(value)
