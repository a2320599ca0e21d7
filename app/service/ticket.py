"""Who asks, and until when somebody waits: known at the door, needed wherever work is queued.

A context variable carries it between the two, because the framework's own call stack stands between them.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

ANYONE = "anyone"  # who asks without a key: the owner of such callers' traces


@dataclass(frozen=True)
class Ticket:
    """One request's: its caller, who takes turns with the others, and its deadline (`time.monotonic`).

    caller: the owner of a key, or an address; empty for the service itself, which is never over its share.
    """

    caller: str = ""
    deadline: float = math.inf


_current: ContextVar[Ticket | None] = ContextVar("ticket", default=None)


def current() -> Ticket | None:
    """The ticket of the request that is being answered; None outside of one."""
    return _current.get()


def rename(caller: str) -> None:
    """The caller of this request, now that its key is known."""
    held = _current.get()
    if held is not None:
        _current.set(Ticket(caller, held.deadline))


@contextmanager
def bearing(ticket: Ticket | None) -> Iterator[None]:
    """Answer a request, or with None do what is done for everybody: work that others share has nobody's deadline."""
    token = _current.set(ticket)
    try:
        yield
    finally:
        _current.reset(token)
