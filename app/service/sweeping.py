"""The folder of traces, tidied now and then: what nobody asks for again would otherwise never expire."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

log = structlog.get_logger("heedmap")


async def keep_swept(sweep: Callable[[], Awaitable[None]], seconds: float) -> None:
    """Sweep every so many seconds until cancelled; a failure is logged, and the next turn comes all the same."""
    while True:
        await asyncio.sleep(seconds)
        try:
            await sweep()
        except Exception as error:  # a full or unmounted disk, which may come back
            log.error("sweep_failed", cause=repr(error))
