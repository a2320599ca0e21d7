"""A worker and its line: one thread for each kind of work, and the event loop only waits for them.

Calls wait in a bounded line in which callers take turns. Predictions that wait for the same model are answered as one
batch: no timer holds anyone back, a batch is what came in while the worker was busy. What cannot be done before its
deadline at the rate measured here is refused at once. Everybody's wait ends at a deadline, and work whose callers have
all gone is stopped the next time it asks.
"""

import asyncio
import math
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any, TypeVar, cast

from heedmap.app import ticket
from heedmap.app.errors import DeadlineExceeded, ServiceError
from heedmap.app.service.call import Call, gone
from heedmap.app.service.worker import Worker
from heedmap.model.errors import Cancelled
from heedmap.model.watch import Stop

T = TypeVar("T")
TURN = 0.03  # seconds of one turn of a long piece of work: a window of somebody else's waits no longer
THREAD = "heedmap-device"
TRACING = "heedmap-tracing"
READING = "heedmap-reading"


class Engine(Worker):
    """A worker that the event loop waits for; its arguments are those of `Worker`."""

    def __init__(self, *, queue: int, batch: int, deadline: float, name: str = THREAD, **options: Any) -> None:
        super().__init__(queue=queue, batch=batch, deadline=deadline, name=name, **options)

    async def run(
        self, function: Callable[[], T], *, patient: bool = False, turn: bool = False, further: bool = False
    ) -> T:
        """Run a function on the worker.

        A patient caller, which is the service itself, has no deadline and is never refused.
        further: whether it goes on with work that was let in, which is not refused half-way.

        Raises:
            Overloaded, RateLimited: the line is too long. WorkerStopped: the worker is dead. DeadlineExceeded: it took
            too long.
        """
        deadline = math.inf if patient else self._deadline(turn)
        caller = "" if patient else _caller()
        kind = "turn" if turn else "run"
        call = Call(lambda items, stop: function(), (), None, deadline, caller, 1.0, kind, turn=turn, further=further)
        return cast(T, await self._submit(call))

    async def run_stoppable(
        self, function: Callable[[Stop], T], *, cost: float = 1.0, kind: Hashable = "stoppable"
    ) -> T:
        """Run a function that asks, between two steps, whether to stop.

        Raises:
            Overloaded, RateLimited, TooLarge, WorkerStopped, DeadlineExceeded: as `run`.
        """
        call = Call(lambda items, stop: function(stop), (), None, self._deadline(), _caller(), cost, kind)
        return cast(T, await self._submit(call))

    async def run_turns(self, work: Iterator[T]) -> list[T]:
        """Run a long piece of work on the worker, a turn at a time, so that others come between; all that it yields.

        Raises:
            Overloaded: the line is full. WorkerStopped: the worker is dead. DeadlineExceeded: one turn took too long.
        """
        results: list[T] = []

        def turn() -> bool:
            until = time.monotonic() + TURN
            for part in work:
                results.append(part)
                if time.monotonic() > until:
                    return True
            return False

        further = False
        while await self.run(turn, turn=True, further=further):
            further = True
        return results

    async def run_batch(
        self,
        key: Hashable,
        items: Sequence[Any],
        function: Callable[[Sequence[Any], Stop], list[Any]],
        *,
        cost: float = 1.0,
        kind: Hashable = "batch",
        exclusive: Hashable = None,
        further: bool = False,
    ) -> list[Any]:
        """Run items on the worker together with the waiting items of the same key; one result an item, in order.

        Args:
            cost: units of work, of which `kind` has a rate of its own.
            exclusive: what no other call may use meanwhile.
            further: whether it goes on with work that was let in, which is not refused half-way.

        Raises:
            Overloaded, RateLimited, TooLarge, WorkerStopped, DeadlineExceeded: as `run`. OutOfMemory: it is too large.
        """
        call = Call(function, items, key, self._deadline(), _caller(), cost, kind, exclusive, further=further)
        return cast("list[Any]", await self._submit(call))

    def refusal(self) -> ServiceError | None:
        """Why the least call of a caller who has none yet would be refused now; None where it may wait."""
        with self._ready:
            refusal = self._refusal(Call(lambda items, stop: None, (), None, self._deadline(), cost=0.0))
        return None if refusal is None else refusal[1]

    def _refusal(self, call: Call) -> tuple[str, ServiceError] | None:
        if not self.alive or self._stopping:
            return "stopped", gone()
        if call.further or call.deadline == math.inf:
            return None
        return self.admission.refusal(call, self.full, self._remaining())

    def _deadline(self, turn: bool = False) -> float:
        """A turn is of work that may take many, and that others may wait for: it has the service's deadline."""
        held = ticket.current()
        latest = time.monotonic() + self.deadline
        return latest if held is None or turn else min(held.deadline, latest)

    async def _submit(self, call: Call) -> Any:
        begun = time.monotonic()
        with self._ready:
            refusal = self._refusal(call)
            if refusal is not None:
                self.refusals(refusal[0])
                raise refusal[1]
            call.seconds = self.admission.rate.seconds(call.kind, call.cost)
            self.line.add(call)
            self._ready.notify_all()
        try:
            async with asyncio.timeout(None if call.deadline == math.inf else max(0.0, call.deadline - begun)):
                return await asyncio.wrap_future(call.future)
        except (TimeoutError, Cancelled) as error:
            held = ticket.current()
            seconds = call.deadline - (begun if held is None else held.begun)
            raise DeadlineExceeded(f"the answer took longer than {seconds:.3g} s; send less at once") from error
        finally:
            call.given_up = True  # a finished call does not mind; an abandoned one is skipped or stopped
            with self._ready:
                self.line.remove(call)


def _caller() -> str:
    held = ticket.current()
    return held.caller if held is not None else ""
