"""Threads beside the event loop: long work in one of its own, awaited, and how many cores PyTorch uses in each."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import copy_context
from typing import TypeVar

import torch

CORES = torch.get_num_threads()  # what PyTorch takes of this machine, or was told to take (OMP_NUM_THREADS)

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
