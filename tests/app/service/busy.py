"""A worker that has something to do."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from heedmap.app.service.engine import Engine


@asynccontextmanager
async def at_work(engine: Engine) -> AsyncIterator[None]:
    """The worker is busy until the block ends."""
    busy, free = threading.Event(), threading.Event()

    def hold() -> None:
        busy.set()
        free.wait(60)

    task = asyncio.create_task(engine.run(hold, patient=True))
    while not busy.is_set():
        await asyncio.sleep(0.001)
    try:
        yield
    finally:
        free.set()
        await task
