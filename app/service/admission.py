"""Whether a call may wait: what cannot be done in time is refused at once, and nobody fills the line alone."""

import math
import time

from heedmap.app.errors import Overloaded, RateLimited, ServiceError, TooLarge
from heedmap.app.service.call import Call
from heedmap.app.service.line import Line
from heedmap.app.service.rate import Rate

LONGEST_WAIT = 30  # seconds that a refusal asks for at most: the rate is not known for longer
KEPT_FREE = 8  # one place in so many is kept for callers who have none yet
FAR = 4.0  # times the deadline from where work is refused as too large: the rate is known no better than that


class Admission:
    """The door of one line. Whoever asks holds the line's lock.

    Args:
        limit: calls that may wait.
        deadline: seconds that a call may take, waiting included.
    """

    def __init__(self, line: Line, limit: int, deadline: float) -> None:
        self.line, self.limit, self.deadline = line, limit, deadline
        self.rate = Rate()

    def refusal(self, call: Call, full: bool, running: float) -> tuple[str, ServiceError] | None:
        """Why a call would be refused now, in a word and in an error; None where it may wait.

        full: whether no further call may wait. running: seconds that the work at hand is expected to take yet.
        """
        if full:
            return "full", Overloaded(
                f"{self.limit} calls are waiting already; try again in a moment", headers=self.again(running)
            )
        waiting = len(self.line)
        if self.over_share(call.caller):
            mine = self.line.held(call.caller)
            return "share", RateLimited(
                f"{mine} of the {waiting} calls that wait are yours; wait for their answers",
                headers=self.again(running),
            )
        seconds = self.rate.seconds(call.kind, call.cost)
        if seconds > FAR * self.deadline:
            right = f"the deadline is {self.deadline:g} s, so send about a {math.ceil(seconds / self.deadline)}th"
            return "size", TooLarge(f"this would take about {seconds:,.0f} s here; {right} of it at once")
        if waiting == 0 and running <= 0:  # an idle worker tries: so the rate is measured anew
            return None
        wait, left = running + self.line.ahead(call.caller, seconds), call.deadline - time.monotonic()
        if wait + seconds > left:
            return "deadline", Overloaded(
                f"this would be answered in about {wait + seconds:.1f} s, and its deadline is in {left:.1f} s; "
                "try again later, or send less at once",
                headers=self.again(running),
            )
        return None

    def over_share(self, caller: str) -> bool:
        """Whether a caller has its part of a line that is half full; this may be asked without the lock."""
        if not caller or 2 * len(self.line) < self.limit:
            return False
        return self.line.held(caller) >= self._share(caller)

    def again(self, running: float = 0.0) -> dict[str, str]:
        """When to ask again, as a header: once half of the line will have been answered."""
        seconds = math.ceil(running + self.line.seconds / 2)
        return {"Retry-After": str(min(max(1, seconds), LONGEST_WAIT))}

    def _share(self, caller: str) -> int:
        """The places in the line that one caller may have: an even part, and never quite all."""
        callers = self.line.callers + (self.line.held(caller) == 0)
        return max(1, min(self.limit // callers, self.limit - self.limit // KEPT_FREE))
