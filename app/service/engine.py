"""The workers: one thread for each kind of work, and the event loop only waits for them.

The device's worker predicts and records; the reading worker opens traces and computes what is looked at in them, so
that no reader waits for a prediction. Calls wait in a bounded queue, one a worker. Short ones go ahead of batches, and
predictions that wait for the same model are answered as one batch: no timer holds anyone back, a batch is what came in
while the device was busy. Everybody's wait ends at a deadline, and work whose callers have all gone is stopped.
"""

import asyncio
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

import structlog

from heedmap.app.errors import DeadlineExceeded, Overloaded, WorkerStopped
from heedmap.app.service.threads import CORES, use_cores
from heedmap.model.errors import Cancelled
from heedmap.model.watch import Stop

T = TypeVar("T")
RETRY_AFTER = "1"  # seconds: a full queue moves by several batches in that time
TURN = 0.03  # seconds of one turn of a long piece of work: a window of somebody else's waits no longer
THREAD = "heedmap-device"
READING = "heedmap-reading"

log = structlog.get_logger("heedmap")


@dataclass(eq=False)
class _Call:
    """One caller's work: `items` of a batch, or one function alone (`key` None)."""

    run: Callable[..., Any]
    items: Sequence[Any]
    key: Hashable
    deadline: float
    turn: bool = False  # of a long piece of work
    future: "Future[Any]" = field(default_factory=Future)
    given_up: bool = False

    def over(self) -> bool:
        return self.given_up or time.monotonic() > self.deadline


class Engine:
    """A queue and the thread that empties it.

    Args:
        queue: calls that may wait.
        batch: items that are answered together.
        deadline: seconds until a call is given up.
        name: of the thread.
        cores: threads of a PyTorch operation, asked before every call: is it a turn of a long piece of work?
    """

    def __init__(
        self,
        *,
        queue: int,
        batch: int,
        deadline: float,
        name: str = THREAD,
        cores: Callable[[bool], int] = lambda turn: CORES,
    ) -> None:
        self.limit, self.batch, self.deadline, self.cores = queue, batch, deadline, cores
        self._short: deque[_Call] = deque()
        self._long: deque[_Call] = deque()
        self._ready = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self.busy = False  # whether it is at work now
        self.batches: Callable[[int], None] = lambda size: None  # told the size of every batch

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Refuse new calls, give up the waiting ones and wait for the one at work."""
        with self._ready:
            self._stopping = True
            for call in (*self._short, *self._long):
                call.given_up = True
            self._ready.notify_all()
        if self._thread.is_alive():
            self._thread.join(timeout=self.deadline)

    @property
    def alive(self) -> bool:
        """Whether the thread still runs."""
        return self._thread.is_alive()

    @property
    def waiting(self) -> int:
        """Calls in the queue."""
        return len(self._short) + len(self._long)

    @property
    def full(self) -> bool:
        """Whether the next call would be refused."""
        return self.waiting >= self.limit

    async def run(
        self, function: Callable[[], T], *, patient: bool = False, ahead: bool = True, turn: bool = False
    ) -> T:
        """Run a function on the worker: a short one ahead of waiting batches, a long one (not `ahead`) in its turn.

        A patient caller, which is the service itself, has no deadline and is never refused for a full queue.

        Raises:
            Overloaded: the queue is full. WorkerStopped: the worker is dead. DeadlineExceeded: it took too long.
        """
        seconds = math.inf if patient else self.deadline
        call = _Call(lambda items, stop: function(), (), None, time.monotonic() + seconds, turn)
        return cast(T, await self._submit(self._short if ahead else self._long, call, seconds))

    async def run_turns(self, work: Iterator[T]) -> list[T]:
        """Run a long piece of work on the worker, a turn at a time, so that others come between; all that it yields.

        Raises:
            Overloaded: the queue is full. WorkerStopped: the worker is dead. DeadlineExceeded: one turn took too long.
        """
        results: list[T] = []

        def turn() -> bool:
            until = time.monotonic() + TURN
            for part in work:
                results.append(part)
                if time.monotonic() > until:
                    return True
            return False

        while await self.run(turn, turn=True):
            pass
        return results

    async def run_batch(
        self, key: Hashable, items: Sequence[Any], function: Callable[[Sequence[Any], Stop], list[Any]]
    ) -> list[Any]:
        """Run items on the worker together with the waiting items of the same key; one result an item, in order.

        Raises:
            Overloaded: the queue is full. WorkerStopped: the worker is dead. DeadlineExceeded: it took too long.
        """
        call = _Call(function, items, key, time.monotonic() + self.deadline)
        return cast("list[Any]", await self._submit(self._long, call, self.deadline))

    async def _submit(self, line: "deque[_Call]", call: _Call, seconds: float) -> Any:
        with self._ready:
            if not self.alive or self._stopping:
                raise _gone()
            if self.full and seconds != math.inf:
                raise Overloaded(
                    f"{self.limit} calls are waiting already; try again in a moment",
                    headers={"Retry-After": RETRY_AFTER},
                )
            line.append(call)
            self._ready.notify()
        try:
            async with asyncio.timeout(None if seconds == math.inf else seconds):
                return await asyncio.wrap_future(call.future)
        except (TimeoutError, Cancelled) as error:
            raise DeadlineExceeded(f"the answer took longer than {seconds:g} s; send less at once") from error
        finally:
            call.given_up = True  # a finished call does not mind; an abandoned one is skipped or stopped

    def _work(self) -> None:
        try:
            while (calls := self._next()) is not None:
                self.busy = True
                use_cores(self.cores(calls[0].turn))
                self._answer(calls)
                self.busy = False
        except BaseException as error:  # an exit, or a fault of this file: the probes tell, and a restart helps
            log.critical("worker_died", cause=repr(error))
        with self._ready:  # nobody is left waiting for a worker that has gone
            self._stopping, self.busy = True, False
            left = [*self._short, *self._long]
            self._short.clear()
            self._long.clear()
        for call in left:
            _settle(call, error=_gone())

    def _next(self) -> list[_Call] | None:
        with self._ready:
            while not self._short and not self._long:
                if self._stopping:
                    return None
                self._ready.wait()
            if self._short:
                return [self._short.popleft()]
            first = self._long.popleft()
            calls, size, passed = [first], len(first.items), deque[_Call]()
            while self._long and size < self.batch:
                call = self._long.popleft()
                fits = call.key == first.key and call.run == first.run and size + len(call.items) <= self.batch
                (calls if fits else passed).append(call)
                size += len(call.items) if fits else 0
            self._long.extendleft(reversed(passed))
            return calls

    def _answer(self, calls: list[_Call]) -> None:
        live = [call for call in calls if not call.over()]
        for call in calls:
            if call not in live:
                _settle(call, error=Cancelled("nobody waits for the answer any more"))
        if not live:
            return
        items = [item for call in live for item in call.items]
        if live[0].key is not None:
            self.batches(len(items))
        try:
            results = live[0].run(items, lambda: all(call.over() for call in live))
        except Exception as error:
            if len(live) > 1 and not isinstance(error, Cancelled):  # one caller's trouble is not the others'
                for call in live:
                    self._answer([call])
                return
            for call in live:
                _settle(call, error=error)
            return
        except BaseException:
            for call in live:
                _settle(call, error=_gone())
            raise
        if live[0].key is None:
            _settle(live[0], results)
            return
        start = 0
        for call in live:
            _settle(call, results[start : start + len(call.items)])
            start += len(call.items)


def _gone() -> WorkerStopped:
    return WorkerStopped("a worker of this service has stopped; whoever runs the service must start it again")


def _settle(call: _Call, result: Any = None, *, error: BaseException | None = None) -> None:
    """Hand the outcome over, unless the caller has gone: then its future is cancelled already."""
    if not call.future.set_running_or_notify_cancel():
        return
    if error is not None:
        call.future.set_exception(error)
    else:
        call.future.set_result(result)
