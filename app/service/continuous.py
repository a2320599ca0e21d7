"""Calls that join a model's running batch: what comes in while it decodes need not wait for its end.

The seam between a worker and a model's `Session`: a worker that finds a `Continuous` in a call's `run` hands it the
calls at hand and a way to get more, instead of the items alone.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from heedmap.app.errors import WorkerStopped
from heedmap.app.service.finite import Checking, fault
from heedmap.model.contract import Joinable, Served, Session
from heedmap.model.errors import Cancelled


class OpenCall(Protocol):
    """A caller's requests, and where their outcomes go."""

    items: Sequence[Any]

    def over(self) -> bool:
        """Whether nobody waits for it any more."""

    def settle(self, result: Any = None, *, error: BaseException | None = None) -> None:
        """Hand the outcome over."""


More = Callable[[int], Sequence[OpenCall]]
"""Calls that wait and may join, with so many requests at most; none where it is somebody else's turn."""


class Continuous(Checking):
    """A model's `predict`: in batches as ever, or in one that is joined while it runs."""

    def __init__(self, model: Served[Any]) -> None:
        super().__init__(model.predict)
        self.model = model

    def serve(self, calls: Sequence[OpenCall], more: More, stop: Callable[[], bool]) -> None:
        """Answer these calls and whoever joins them, until nobody does; every call is settled.

        Args:
            stop: asked between two steps; once it is true, nobody is answered any more.
        """
        session = self.model.session() if isinstance(self.model, Joinable) else None
        if session is None:
            for call in calls:
                self._alone(call)
            return
        running = _Running(session)
        try:
            while True:
                for call in calls:
                    if all(session.takes(item) for item in call.items):
                        running.add(call)
                    else:
                        self._alone(call)
                running.leave(everybody=stop())
                if not running.calls:
                    return
                running.step()
                calls = more(session.room) if session.room else ()
        except Exception:  # in a batch one request may break all: each by itself then
            for call in running.calls:
                self._alone(call)
        except BaseException:
            for call in running.calls:
                call.settle(error=WorkerStopped("a worker of this service has stopped; start the service again"))
            raise

    def _alone(self, call: OpenCall) -> None:
        try:
            call.settle(self(call.items, call.over))
        except Exception as error:
            call.settle(error=error)


class _Running:
    """The calls in a session."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.calls: dict[OpenCall, list[Any]] = {}  # with their outcomes, None where there is none yet
        self.places: dict[int, tuple[OpenCall, int]] = {}  # of tickets

    def add(self, call: OpenCall) -> None:
        """Let a call's requests join."""
        self.calls[call] = [None] * len(call.items)
        for place, item in enumerate(call.items):
            self.places[self.session.add(item)] = call, place

    def leave(self, *, everybody: bool) -> None:
        """Drop what nobody waits for."""
        for call in [call for call in self.calls if everybody or call.over()]:
            for ticket in [ticket for ticket, (other, _) in self.places.items() if other is call]:
                self.session.drop(ticket)
                del self.places[ticket]
            del self.calls[call]
            call.settle(error=Cancelled("nobody waits for the answer any more"))

    def step(self) -> None:
        """Go on by one token, and settle the calls that are done with it."""
        for ticket, outcome in self.session.step():
            call, place = self.places.pop(ticket)
            self.calls[call][place] = fault(outcome) or outcome
            if all(outcome is not None for outcome in self.calls[call]):
                call.settle(self.calls.pop(call))
