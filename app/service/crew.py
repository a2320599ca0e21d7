"""The workers of one service, who share its cores: how many each may use, and what only one of them may use at a time.

Two teams of PyTorch's threads on the same cores wait for each other's: an operation then takes ten times as long. So
each worker takes its part of the cores, and asks again whenever its work can be stopped.
"""

import os
import threading
import time
from collections.abc import Hashable
from typing import Protocol

from heedmap.app.service.threads import CORES

LINGER = 0.25  # seconds for which a worker counts as busy after its work: between two predictions the other team waits


class Member(Protocol):
    """A worker."""

    busy: bool
    left: float  # when it was last at work (time.monotonic)

    def wake(self) -> None:
        """Look at the line again; the crew's lock is held."""


class Crew:
    """Workers whose lines have one lock.

    Args:
        shared: whether they compute on the same cores: on an accelerator they do not.
    """

    def __init__(self, *, shared: bool = True) -> None:
        self.lock = threading.RLock()
        self.shared = shared
        self.members: list[Member] = []
        self._held: set[Hashable] = set()

    def cores(self, member: Member) -> int:
        """The cores that a worker may use now."""
        if not self.shared:
            return CORES
        since = time.monotonic() - LINGER
        others = sum(other is not member and (other.busy or other.left > since) for other in self.members)
        return max(1, CORES // (1 + others))

    def free(self, exclusive: Hashable) -> bool:
        """Whether nobody uses it."""
        return exclusive is None or exclusive not in self._held

    def hold(self, exclusive: Hashable) -> None:
        """Use it alone; the lock is held."""
        if exclusive is not None:
            self._held.add(exclusive)

    def release(self, exclusive: Hashable) -> None:
        """Let others use it."""
        with self.lock:
            if exclusive is not None:
                self._held.discard(exclusive)
                for member in self.members:
                    member.wake()


def step_back(niceness: int) -> None:
    """Let this thread, and those that its operations start, wait for others where cores are scarce.

    Linux alone gives threads a priority of their own; elsewhere nothing happens.
    """
    if (
        niceness
        and hasattr(os, "setpriority")
        and hasattr(threading, "get_native_id")
        and os.uname().sysname == "Linux"
    ):
        try:
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), niceness)
        except OSError:  # a sandbox that forbids it: the work is done all the same
            return
