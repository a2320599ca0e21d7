"""Calls that join a model's running batch: what comes in while it decodes need not wait for its end."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from heedmap.app.service.call import Call, gone
from heedmap.app.service.finite import Checking, fault
from heedmap.model.contract import Joinable, Request, Served, Session
from heedmap.model.errors import Cancelled
from heedmap.model.isolation import lost
from heedmap.model.observer import lasted

More = Callable[[int], Sequence[Call]]
"""Calls that wait and may join, with so many requests at most; none where it is somebody else's turn."""


def joinable(model: Served[Any], requests: Sequence[Request]) -> bool:
    """Whether a batch of a model can be joined by these requests."""
    session = model.session() if isinstance(model, Joinable) else None
    return session is not None and all(session.takes(request) for request in requests)


class Continuous(Checking):
    """A model's `predict` in a batch that is joined while it runs; a `Joined`. Its requests are all `joinable`."""

    def __init__(self, model: Served[Any]) -> None:
        super().__init__(model.predict)
        self.model = model

    def serve(self, calls: Sequence[Call], more: More, stop: Callable[[], bool]) -> None:
        """Answer these calls and whoever joins them, until nobody does; every call is settled.

        Args:
            stop: asked between two steps; once it is true, nobody is answered any more.
        """
        assert isinstance(self.model, Joinable)
        session = self.model.session()
        assert session is not None
        running = _Running(session)
        try:
            while True:
                for call in calls:
                    running.add(call)
                running.leave(everybody=stop())
                if not running.calls:
                    return
                running.step()
                calls = more(session.room) if session.room else ()
        except BaseException as failed:
            try:
                if not isinstance(failed, Exception) or lost(failed):
                    raise
                for call in _open(running, calls):  # in a batch one request may break all: each by itself then
                    self._alone(call)
            except BaseException:
                for call in _open(running, calls):
                    call.settle(error=gone())
                raise

    def _alone(self, call: Call) -> None:
        try:
            call.settle(self(call.items, call.over))
        except Exception as error:
            if lost(error):
                raise
            call.settle(error=error)


def _open(running: "_Running", joining: Sequence[Call]) -> list[Call]:
    """The calls that wait for an outcome yet, those included that were about to join."""
    return [call for call in dict.fromkeys((*running.calls, *joining)) if not call.settled]


class _Running:
    """The calls in a session."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.calls: dict[Call, list[Any]] = {}  # with their outcomes, None where there is none yet
        self.places: dict[int, tuple[Call, int]] = {}  # of tickets
        self.begun: dict[Call, float] = {}

    def add(self, call: Call) -> None:
        """Let a call's requests join."""
        self.calls[call] = [None] * len(call.items)
        self.begun[call] = time.perf_counter()
        for place, item in enumerate(call.items):
            self.places[self.session.add(item)] = call, place

    def leave(self, *, everybody: bool) -> None:
        """Drop what nobody waits for."""
        for call in [call for call in self.calls if everybody or call.over()]:
            for ticket in [ticket for ticket, (other, _) in self.places.items() if other is call]:
                self.session.drop(ticket)
                del self.places[ticket]
            del self.calls[call], self.begun[call]
            call.settle(error=Cancelled("nobody waits for the answer any more"))

    def step(self) -> None:
        """Go on by one token, and settle the calls that are done with it."""
        for ticket, outcome in self.session.step():
            call, place = self.places.pop(ticket)
            self.calls[call][place] = fault(outcome) or outcome
            if all(outcome is not None for outcome in self.calls[call]):
                call.settle(self.calls.pop(call))
                lasted("generate", time.perf_counter() - self.begun.pop(call))
