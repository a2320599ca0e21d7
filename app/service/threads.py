"""Threads beside the event loop: long work in one of its own, awaited, and how many cores PyTorch uses in each."""

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import copy_context
from pathlib import Path
from typing import TypeVar

import torch

CGROUPS = Path("/sys/fs/cgroup")


def quota(folder: Path = CGROUPS, group: str | None = None) -> float | None:
    """The cores that the container, or a slice around it, lets this process use; None where there is no limit.

    Args:
        group: the path of the process's control group below `folder`; by default what Linux says.

    Source: cpu.max of control groups, version 2, and cpu.cfs_quota_us of version 1 (Linux, admin-guide/cgroup-v2).
    """
    if group is None:
        try:
            lines = Path("/proc/self/cgroup").read_text().splitlines()
        except OSError:  # no Linux
            return None
        groups = (line.split(":", 2) for line in lines if line.count(":") >= 2)
        group = next((path for _, names, path in groups if names == "" or "cpu" in names.split(",")), "/")
    place = folder / group.strip("/")
    around = [folder, *(at for at in (place, *place.parents) if folder in at.parents)]
    roots = [root for at in around for root in (at, folder / "cpu" / at.relative_to(folder))]
    limits = [limit for limit in map(_limit, roots) if limit is not None]
    return min(limits, default=None)


def _limit(folder: Path) -> float | None:
    for names in (("cpu.max",), ("cpu.cfs_quota_us", "cpu.cfs_period_us")):
        try:
            share, period = " ".join((folder / name).read_text() for name in names).split()
            if share != "max" and int(share) > 0:
                return int(share) / int(period)
        except (OSError, ValueError):
            continue
    return None


def cores() -> int:
    """Threads for one operation: what PyTorch takes of this machine, or was told to (OMP_NUM_THREADS), or the quota."""
    threads, limit = torch.get_num_threads(), quota()
    if limit is None or os.environ.get("OMP_NUM_THREADS"):
        return threads
    return max(1, min(threads, int(limit)))  # the rest of a core is the event loop's


CORES = cores()

T = TypeVar("T")
_local = threading.local()


def use_cores(count: int) -> None:
    """Let PyTorch's operations in this thread, and in no other that has called this, use so many cores.

    The number is the thread's own, but also what a thread begins with whose first operation is yet to come: so every
    thread of ours that computes says what it wants.
    """
    if getattr(_local, "cores", None) != count:
        torch.get_num_threads()  # a thread's first question sets its number to what any thread said last: so ask first
        torch.set_num_threads(count)
        _local.cores = count


async def in_thread(name: str, function: Callable[[], T]) -> T:
    """Run a function in a thread of its own and of this name, which does not keep the process alive."""
    future: Future[T] = Future()

    context = copy_context()

    def run() -> None:
        use_cores(CORES)
        try:
            result = context.run(function)
        except BaseException as error:
            if future.set_running_or_notify_cancel():  # whoever waited may have gone
                future.set_exception(error)
            return
        if future.set_running_or_notify_cancel():
            future.set_result(result)

    threading.Thread(target=run, name=name, daemon=True).start()
    return await asyncio.wrap_future(future)
