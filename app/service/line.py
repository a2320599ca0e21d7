"""A fair line: callers take turns by the seconds that each has had, so that nobody starves behind one who asks much.

Start-time fair queueing (Goyal, Vin and Cheng 1996), with measured time in place of an estimate: a line has one worker,
so what a call took is known before the next is chosen. Who comes back after a while starts where the line stands.
"""

from collections import deque
from collections.abc import Callable, Sequence

from heedmap.app.service.call import Call

REMEMBERED = 1024  # callers whose time is kept when they do not wait


class Line:
    """Calls that wait, by caller. Whoever uses it holds the lock that belongs to it."""

    def __init__(self) -> None:
        self._waiting: dict[str, deque[Call]] = {}
        self._used: dict[str, float] = {}  # seconds by caller
        self._stands = 0.0  # at what one who comes now begins
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def callers(self) -> int:
        """How many callers wait."""
        return len(self._waiting)

    @property
    def seconds(self) -> float:
        """What everything that waits is expected to take."""
        return sum(call.seconds for calls in self._waiting.values() for call in calls)

    def held(self, caller: str) -> int:
        """The calls of one caller."""
        return len(self._waiting.get(caller, ()))

    def add(self, call: Call) -> None:
        """Let a call wait."""
        if call.caller not in self._waiting:
            self._waiting[call.caller] = deque()
            self._used[call.caller] = max(self._used.get(call.caller, 0.0), self._stands)
        self._waiting[call.caller].append(call)
        self._count += 1

    def remove(self, call: Call) -> None:
        """Let a call go that may still wait, so that it keeps nobody else out."""
        calls = self._waiting.get(call.caller)
        if calls is not None and call in calls:
            calls.remove(call)
            self._removed(call.caller)

    def take(self, most: int, free: Callable[[Call], bool]) -> list[Call]:
        """The next batch of at most so many items: of the caller with the least time, and calls that can join it.

        free: whether what a call uses alone is free now.
        """
        order = sorted(self._waiting, key=lambda caller: self._used[caller])
        first = next((call for caller in order for call in self._waiting[caller] if free(call)), None)
        if first is None:
            return []
        self._stands = max(self._stands, self._used[first.caller])
        self.remove(first)
        return [first, *self._joining(first, order, most - len(first.items))]

    def join(self, first: Call, most: int) -> list[Call]:
        """Calls of at most so many items that join work under way; none where it is another's turn."""
        order = sorted(self._waiting, key=lambda caller: self._used[caller])
        if not order or not self._waiting[order[0]][0].joins(first):
            return []
        self._stands = max(self._stands, self._used[order[0]])
        return self._joining(first, order, most)

    def _joining(self, first: Call, order: Sequence[str], most: int) -> list[Call]:
        """Of callers in this order, one call of each in turn, as many as can join the first and have room."""
        calls: list[Call] = []
        joining = [deque(c for c in self._waiting[who] if c.joins(first)) for who in order if who in self._waiting]
        while most > 0 and any(joining):
            for queue in joining:
                if queue and len(queue[0].items) <= most:
                    calls.append(queue[0])
                    most -= len(queue[0].items)
                    self.remove(queue[0])
                if queue:
                    queue.popleft()
        return calls

    def charge(self, caller: str, seconds: float) -> None:
        """Note the time that a caller has had."""
        self._used[caller] = self._used.get(caller, 0.0) + seconds
        if len(self._used) > REMEMBERED:
            self._used = {c: s for c, s in self._used.items() if c in self._waiting or s > self._stands}

    def ahead(self, caller: str, seconds: float) -> float:
        """What comes before a new call of so many seconds: the caller's own calls, and of each other its turns."""
        mine = sum(call.seconds for call in self._waiting.get(caller, ()))
        others = (sum(c.seconds for c in calls) for who, calls in self._waiting.items() if who != caller)
        return mine + sum(min(theirs, mine + seconds) for theirs in others)

    def clear(self) -> list[Call]:
        """Everything that waited."""
        calls = [call for waiting in self._waiting.values() for call in waiting]
        self._waiting.clear()
        self._count = 0
        return calls

    def _removed(self, caller: str) -> None:
        self._count -= 1
        if not self._waiting[caller]:
            del self._waiting[caller]
