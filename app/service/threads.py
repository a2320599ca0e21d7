"""Long work beside the worker, awaited."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


async def in_thread(name: str, function: Callable[[], T]) -> T:
    """Run a function in a thread of its own and of this name, which does not keep the process alive."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            result = function()
        except BaseException as error:
            if future.set_running_or_notify_cancel():  # whoever waited may have gone
                future.set_exception(error)
            return
        if future.set_running_or_notify_cancel():
            future.set_result(result)

    threading.Thread(target=run, name=name, daemon=True).start()
    return await asyncio.wrap_future(future)
