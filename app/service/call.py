"""One caller's work on its way through a line: what to run, until when, and where its outcome goes."""

import threading
import time
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from heedmap.app.errors import WorkerStopped

_settling = threading.Lock()


@dataclass(eq=False)
class Call:
    """`items` of a batch, or one function alone (`key` None).

    cost: units of work, of which `kind` has a rate of its own. seconds: what that is expected to take.
    exclusive: what no two calls may use at once, such as a model that is changed while it records.
    """

    run: Callable[..., Any]  # items, stop -> results
    items: Sequence[Any]
    key: Hashable
    deadline: float
    caller: str = ""
    cost: float = 1.0
    kind: Hashable = None
    exclusive: Hashable = None
    turn: bool = False  # of a long piece of work
    further: bool = False  # it goes on with work that was let in: late it may be, but it is not refused
    seconds: float = 0.0
    since: float = field(default_factory=time.monotonic)
    waited: float = 0.0  # seconds in the line
    context: Context = field(default_factory=copy_context)  # of the request that it is a part of
    future: "Future[Any]" = field(default_factory=Future)
    given_up: bool = False
    settled: bool = False

    def over(self) -> bool:
        """Whether nobody waits for it any more."""
        return self.given_up or time.monotonic() > self.deadline

    def joins(self, first: "Call") -> bool:
        """Whether it can be answered in one batch with another."""
        return self.key is not None and self.key == first.key and self.run == first.run

    def settle(self, result: Any = None, *, error: BaseException | None = None) -> None:
        """Hand the outcome over, once, unless the caller has gone: then its future is cancelled already."""
        with _settling:
            if self.settled or not self.future.set_running_or_notify_cancel():
                return
            self.settled = True
        if error is not None:
            self.future.set_exception(error)
        else:
            self.future.set_result(result)


@runtime_checkable
class Joined(Protocol):
    """What a call runs that others can join while it is under way."""

    def __call__(self, items: Sequence[Any], stop: Callable[[], bool]) -> list[Any]:
        """The outcomes of a batch that nobody joins."""

    def serve(self, calls: Sequence[Call], more: Callable[[int], Sequence[Call]], stop: Callable[[], bool]) -> None:
        """Answer these calls and those that `more` hands out for so much room; every one is settled."""


def gone() -> WorkerStopped:
    """What is said of a worker that is no more."""
    return WorkerStopped("a worker of this service has stopped; whoever runs the service must start it again")
