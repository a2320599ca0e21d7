"""The server of one process, and its end: what was accepted is answered, and the process says how it went.

uvicorn closes its listener first, which cuts whoever waits in it, and connections whose request it has not read yet.
Here the listener stays open while work is finished, and answers 503 to what comes in (`heedmap.app.http.admission`).
"""

import asyncio
import contextlib
import os
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Generator
from types import FrameType

import structlog
import uvicorn

from heedmap.app.http.services import Services

WORKER_DIED = 70  # EX_SOFTWARE: the process ends with it, so that whoever supervises it starts another
ANSWERS = 2.0  # seconds of the grace that are kept for answers that say that there will be none
SETTLE = 0.1  # seconds in which requests that have arrived are read, before connections without one are closed
CONNECTIONS = 4096  # that are let in at the end, twice what the listener's backlog holds
SIGNALS = (signal.SIGINT, signal.SIGTERM)

log = structlog.get_logger("heedmap")


class Server(uvicorn.Server):
    """uvicorn's, which ends when a worker has died, and lets no one go without an answer.

    status: what the process should end with.
    """

    def __init__(self, config: uvicorn.Config, services: Services, grace: float) -> None:
        super().__init__(config)
        self.services, self.grace, self.status = services, grace, 0

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """From now on nothing new is accepted."""
        self.services.drain()
        super().handle_exit(sig, frame)

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """As uvicorn's, but a signal that was obeyed is not raised once more: the process ends with its own status."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    async def on_tick(self, counter: int) -> bool:
        """Whether to end: also when a worker has."""
        if self.started and (dead := self.services.watchdog.dead()) and not self.should_exit:
            log.critical("ending", cause=f"the {dead[0]} worker has died")
            self.status, self.should_exit = WORKER_DIED, True
            self.services.drain()
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Finish what was accepted, or answer that it will not be; then close."""
        until = time.monotonic() + self.grace - ANSWERS
        await asyncio.sleep(SETTLE)
        accepted = set(self.server_state.tasks)  # later ones are refused, and are soon done
        while accepted and (left := until - time.monotonic()) > 0 and not self.force_exit:
            _, accepted = await asyncio.wait(accepted, timeout=min(left, SETTLE))
        self.services.abandon()
        await self._stop_listening()
        await asyncio.sleep(SETTLE)
        await super().shutdown(sockets)

    async def _stop_listening(self) -> None:
        """Close the listeners at a moment when nobody waits in their backlogs, who would be cut."""
        listeners = [listener for server in self.servers for listener in server.sockets]
        for _ in range(CONNECTIONS):
            if not select.select(listeners, [], [], 0)[0]:
                break
            await asyncio.sleep(0)
        for server in self.servers:
            server.close()


def leave(status: int, services: Services) -> None:
    """End the process, though a worker is still in the middle of a step: Python would wait for it, or crash in it."""
    if status or any(worker.alive and worker.busy for worker in services.workers.values()):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
