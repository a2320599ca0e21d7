"""Who asks, until when somebody waits, and what the request is called: known at the door, needed wherever work is done.

Context variables carry it between the two, because the framework's own call stack stands between them.
"""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace

ANYONE = "anyone"  # who asks without a key: the owner of such callers' traces


@dataclass(frozen=True)
class Ticket:
    """One request's: its caller, who takes turns with the others, and its deadline (`time.monotonic`).

    caller: the owner of a key, or an address; empty for the service itself, which is never over its share. begun:
    when the request came in (`time.monotonic`).
    """

    caller: str = ""
    deadline: float = math.inf
    begun: float = field(default_factory=time.monotonic)


@dataclass(frozen=True, eq=False)
class RequestInfo:
    """What a request is called, for log lines and error bodies, and what went wrong with it.

    ids: its own; where several are answered in one batch, all of theirs. problems: the type and the status of each
    error body that was made for it.
    """

    ids: tuple[str, ...]
    problems: list[tuple[str, int]] = field(default_factory=list)


_request: ContextVar[RequestInfo | None] = ContextVar("request", default=None)


def request_info() -> RequestInfo | None:
    """The request that is being answered; None outside of one."""
    return _request.get()


def begin(info: RequestInfo) -> None:
    """From here on this request is answered, until the task or the context ends: what the server says of it, too."""
    _request.set(info)


@contextmanager
def answering(info: RequestInfo | None) -> Iterator[None]:
    """Answer this request, or several in one batch, meanwhile."""
    token = _request.set(info)
    try:
        yield
    finally:
        _request.reset(token)


_current: ContextVar[Ticket | None] = ContextVar("ticket", default=None)


def current() -> Ticket | None:
    """The ticket of the request that is being answered; None outside of one."""
    return _current.get()


def rename(caller: str) -> None:
    """The caller of this request, now that its key is known."""
    held = _current.get()
    if held is not None:
        _current.set(replace(held, caller=caller))


@contextmanager
def bearing(ticket: Ticket | None) -> Iterator[None]:
    """Answer a request, or with None do what is done for everybody: work that others share has nobody's deadline."""
    token = _current.set(ticket)
    try:
        yield
    finally:
        _current.reset(token)
