"""One thread that takes calls from its line, a batch at a time, and answers them whatever happens in between."""

import math
import threading
import time
from collections.abc import Callable, Hashable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import structlog

from heedmap.app.errors import ServiceError
from heedmap.app.service.admission import Admission
from heedmap.app.service.call import Call, Joined, gone
from heedmap.app.service.crew import Crew, step_back
from heedmap.app.service.line import Line
from heedmap.app.service.threads import use_cores
from heedmap.model.errors import Cancelled, OutOfMemory
from heedmap.model.isolation import DeviceLost, halves, lost, memory_error, out_of_memory

Watching = Callable[[Sequence[Call], Sequence[float]], AbstractContextManager[None]]
PREFIX = "heedmap-"  # of threads' names
log = structlog.get_logger("heedmap")


class Worker:
    """A line and the thread that empties it.

    Args:
        queue: calls that may wait.
        batch: items that are answered together.
        deadline: seconds until a call is given up that names no sooner one.
        name: of the thread; without its prefix, of the line.
        crew: the workers that it shares the machine with.
        single: take one core but for turns of a long piece of work: a window is too small for more.
        niceness: how far it steps back where cores are scarce.
    """

    def __init__(
        self,
        *,
        queue: int,
        batch: int,
        deadline: float,
        name: str,
        crew: Crew | None = None,
        single: bool = False,
        niceness: int = 0,
    ) -> None:
        self.limit, self.batch, self.deadline, self.name = queue, batch, deadline, name.removeprefix(PREFIX)
        self.crew = crew or Crew()
        self.crew.members.append(self)
        self.single, self.niceness = single, niceness
        self.line = Line()
        self.admission = Admission(self.line, queue, deadline)
        self._ready = threading.Condition(self.crew.lock)
        self._stopping = False
        self._at_work: list[Call] = []
        self._begun = -math.inf
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self.busy = False  # whether it is at work now
        self.left = -math.inf  # when it was last at work
        self.progress = -math.inf  # when its work last began, or asked whether to stop
        self.batches: Callable[[int], None] = lambda size: None  # told the size of every batch
        self.waits: Callable[[float], None] = lambda seconds: None  # told how long each call waited
        self.refusals: Callable[[str], None] = lambda cause: None  # told why a call was refused
        self.watching: Watching = lambda calls, waited: nullcontext()  # entered while calls are answered

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self, patience: float | None = None) -> None:
        """Refuse new calls, give up the waiting ones, and wait for the one at work, or for so many seconds."""
        with self._ready:
            self._stopping = True
            for call in (*self.line.clear(), *self._at_work):
                call.given_up = True
            self._ready.notify_all()
        if self._thread.is_alive():
            self._thread.join(self.deadline if patience is None else patience)

    def abandon(self, error: ServiceError) -> None:
        """Answer everything that waits or is at work with this error, and stop the work."""
        with self._ready:
            calls = [*self.line.clear(), *self._at_work]
        for call in calls:
            call.given_up = True
            call.settle(error=error)

    @property
    def alive(self) -> bool:
        """Whether the thread still runs."""
        return self._thread.is_alive()

    @property
    def waiting(self) -> int:
        """Calls in the line."""
        return len(self.line)

    @property
    def full(self) -> bool:
        """Whether the next call would be refused."""
        return self.waiting >= self.limit

    @property
    def retry_after(self) -> str:
        """Seconds until a place in the line is likely to be free, as a header has it."""
        with self._ready:
            return self.admission.again(self._remaining())["Retry-After"]

    def silent(self) -> float:
        """Seconds for which the work at hand has shown no progress; 0 where there is none."""
        return time.monotonic() - self.progress if self.busy else 0.0

    def wake(self) -> None:
        """Look at the line again; the crew's lock is held."""
        self._ready.notify_all()

    def _remaining(self) -> float:
        """Seconds that the work at hand is expected to take yet."""
        if not self._at_work:
            return 0.0
        return max(0.0, sum(call.seconds for call in self._at_work) - (time.monotonic() - self._begun))

    def _work(self) -> None:
        step_back(self.niceness)
        try:
            while calls := self._next():
                try:
                    if isinstance(calls[0].run, Joined):
                        self._serve(calls[0].run, calls)
                    else:
                        self._answer(calls)
                finally:
                    self._end(calls[0].exclusive)
        except BaseException as error:  # an exit, or a fault of this file: the probes tell, and the process ends
            log.critical("worker_died", worker=self._thread.name, cause=repr(error))
        with self._ready:  # nobody is left waiting for a worker that has gone
            self._stopping = True
            left = self.line.clear()
        for call in left:
            call.settle(error=gone())

    def _next(self) -> list[Call]:
        """The next batch; nothing once the worker is to stop."""
        with self._ready:
            while not self._stopping:
                calls = self.line.take(self.batch, lambda call: self.crew.free(call.exclusive))
                if calls:
                    self.crew.hold(calls[0].exclusive)
                    self.busy, self._at_work = True, calls
                    self._begun = self.progress = time.monotonic()
                    return calls
                self._ready.wait()
        return []

    def _end(self, exclusive: Hashable) -> None:
        with self._ready:
            self._account(self._at_work)
            self.busy, self._at_work, self.left = False, [], time.monotonic()
            self.crew.release(exclusive)

    def _account(self, calls: Sequence[Call]) -> None:
        """Note what the time since the last account went into; the lock is held."""
        now = time.monotonic()
        seconds, self._begun = now - self._begun, now
        cost = sum(call.cost for call in calls)
        for call in calls:
            self.line.charge(call.caller, seconds * call.cost / cost)
        if calls and not any(call.given_up and not call.settled for call in calls):
            self.admission.rate.note(calls[0].kind, cost, seconds)  # what was stopped says nothing of how long it takes

    def _serve(self, run: Joined, calls: Sequence[Call]) -> None:
        """Answer calls that others join meanwhile."""
        first = calls[0]

        def more(room: int) -> list[Call]:
            with self._ready:
                done = [call for call in self._at_work if call.settled or call.given_up]
                if done:
                    self._account(done)
                    self._at_work = [call for call in self._at_work if call not in done]
                room = min(room, self.batch - sum(len(call.items) for call in self._at_work))
                joining = [] if self._stopping else self.line.join(first, room)
                self._at_work = [*self._at_work, *joining]
            return self._live(joining)

        def stop() -> bool:
            self.progress = time.monotonic()
            use_cores(self._cores(first))
            return all(call.over() for call in self._at_work)

        use_cores(self._cores(first))
        live = self._live(calls)

        def serve() -> None:
            with self.watching(live, [call.waited for call in live]):
                run.serve(live, more, stop)

        if live:
            live[0].context.run(serve)

    def _live(self, calls: Sequence[Call]) -> list[Call]:
        """Those of a batch that somebody waits for."""
        live = [call for call in calls if not call.over()]
        for call in calls:
            if call not in live:
                call.settle(error=Cancelled("nobody waits for the answer any more"))
        now = time.monotonic()
        for call in live:
            call.waited = now - call.since
            self.waits(call.waited)
        if live and live[0].key is not None:
            self.batches(sum(len(call.items) for call in live))
        return live

    def _answer(self, calls: Sequence[Call], *, split: bool = False) -> None:
        live = self._live(calls)
        if not live:
            return
        items = [item for call in live for item in call.items]

        def stop() -> bool:
            self.progress = time.monotonic()
            use_cores(self._cores(live[0]))
            return all(call.over() for call in live)

        def run() -> Any:
            with self.watching(live, [call.waited for call in live]):
                return live[0].run(items, stop)

        use_cores(self._cores(live[0]))
        try:
            results = live[0].context.run(run)
        except Exception as error:
            if lost(error):  # so would every later call: the process is to end
                for call in live:
                    call.settle(error=gone())
                raise DeviceLost(str(error)) from error
            failed: Exception = memory_error(error) if out_of_memory(error) else error
        except BaseException:
            for call in live:
                call.settle(error=gone())
            raise
        else:
            self._hand_out(live, results)
            return
        if len(live) > 1 and not isinstance(failed, Cancelled):  # one caller's trouble is not the others'
            some = halves(live) if isinstance(failed, OutOfMemory) and not split else [[call] for call in live]
            for part in some:
                self._answer(part, split=True)
            return
        for call in live:
            call.settle(error=failed)

    def _hand_out(self, calls: Sequence[Call], results: Any) -> None:
        if calls[0].key is None:
            calls[0].settle(results)
            return
        start = 0
        for call in calls:
            call.settle(results[start : start + len(call.items)])
            start += len(call.items)

    def _cores(self, call: Call) -> int:
        return 1 if self.single and not call.turn else self.crew.cores(self)
