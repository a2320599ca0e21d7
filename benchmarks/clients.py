"""Callers of a service in a process of their own: so little Python a request that the service's cores are left to it.

python -m benchmarks.clients URL BODIES --clients 64 --seconds 10 [--retry 0.05] [--path /v1/predict]

BODIES holds a JSON body a line. Every client posts one after the other, or with `--rate` all of them so many a second
whatever the answers do; the last line of the output is what came back, as JSON.
"""

import argparse
import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import httptools

GIVEN_UP = 120.0  # seconds without an answer: longer than any deadline


@dataclass
class Tally:
    """What came back: times by status, and of the answers that went well what they counted."""

    seconds: dict[int, list[float]] = field(default_factory=dict)
    tokens: int = 0
    lost: Counter[str] = field(default_factory=Counter)

    def note(self, status: int, seconds: float, body: bytes) -> None:
        """One answer."""
        self.seconds.setdefault(status, []).append(seconds)
        if status == 200:
            self.tokens += body.count(b'","') + 1 if not self.tokens else 0

    def to_json(self, seconds: float) -> dict[str, Any]:
        """Counts, rates and percentiles (milliseconds), by status."""
        statuses = {
            str(status): {"count": len(times), "p50": at(times, 0.5), "p99": at(times, 0.99), "worst": at(times, 1.0)}
            for status, times in sorted(self.seconds.items())
        }
        good = len(self.seconds.get(200, ()))
        return {"seconds": seconds, "goodput": good / seconds, "statuses": statuses, "lost": dict(self.lost)}


class Connection(asyncio.Protocol):
    """A connection that asks one question at a time."""

    def __init__(self) -> None:
        self.parser = httptools.HttpResponseParser(self)
        self.answer: asyncio.Future[int] | None = None
        self.body = bytearray()
        self.transport: asyncio.Transport | None = None
        self.open = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is there."""
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Some of an answer."""
        self.parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        """Some of its body."""
        self.body += body

    def on_message_complete(self) -> None:
        """All of it."""
        if not self.parser.should_keep_alive():
            self.open = False
        if self.answer is not None and not self.answer.done():
            self.answer.set_result(self.parser.get_status_code())

    def connection_lost(self, error: Exception | None) -> None:
        """It has gone."""
        self.open = False
        if self.answer is not None and not self.answer.done():
            self.answer.set_exception(ConnectionError(repr(error)))

    async def ask(self, message: bytes) -> int:
        """The status of the answer; its body is in `body`."""
        assert self.transport is not None
        self.body.clear()
        self.answer = asyncio.get_running_loop().create_future()
        self.transport.write(message)
        return await asyncio.wait_for(self.answer, GIVEN_UP)


class Callers:
    """Clients of one address, each with a connection that it keeps."""

    def __init__(self, url: str, path: str, bodies: Sequence[bytes], headers: Sequence[str] = ()) -> None:
        parts = urlsplit(url)
        self.host, self.port = str(parts.hostname), parts.port or 80
        head = f"POST {path} HTTP/1.1\r\nhost: {parts.netloc}\r\ncontent-type: application/json\r\n"
        head += "".join(f"{line}\r\n" for line in headers)
        self.messages = [f"{head}content-length: {len(b)}\r\n\r\n".encode() + b for b in bodies]
        self.tally, self.place = Tally(), 0

    async def connect(self) -> Connection:
        """A new connection."""
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(Connection, self.host, self.port)
        return connection

    def message(self) -> bytes:
        """The next question."""
        self.place += 1
        return self.messages[self.place % len(self.messages)]

    async def client(self, until: float, retry: float, delay: float) -> None:
        """One who asks until then, and again after so many seconds where it was refused."""
        await asyncio.sleep(delay)
        connection: Connection | None = None
        while time.perf_counter() < until:
            begun = time.perf_counter()
            try:
                if connection is None or not connection.open:
                    connection = await self.connect()
                status = await connection.ask(self.message())
            except (OSError, TimeoutError, httptools.HttpParserError) as error:
                self.tally.lost[type(error).__name__] += 1
                connection = None
                await asyncio.sleep(retry)
                continue
            self.tally.note(status, time.perf_counter() - begun, connection.body)
            if status != 200:
                await asyncio.sleep(retry)
        if connection is not None and connection.transport is not None:
            connection.transport.close()

    async def closed(self, clients: int, seconds: float, retry: float) -> None:
        """So many clients, each of whom waits for its answer."""
        until = time.perf_counter() + seconds
        spread = min(1.0, seconds / 10)
        await asyncio.gather(*(self.client(until, retry, spread * n / clients) for n in range(clients)))

    async def open(self, rate: float, seconds: float, most: int) -> None:
        """So many questions a second, whether others were answered or not, over connections as they are free."""
        free: list[Connection] = []
        tasks: set[asyncio.Task[None]] = set()
        begun = time.perf_counter()
        sent = 0
        while (now := time.perf_counter() - begun) < seconds:
            while sent < rate * now:
                sent += 1
                if len(tasks) >= most:  # as many as a process may have connections: these are lost to it
                    self.tally.lost["no connection"] += 1
                    continue
                task = asyncio.create_task(self.one(free))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
            await asyncio.sleep(0.005)
        if tasks:
            await asyncio.wait(tasks)

    async def one(self, free: list[Connection]) -> None:
        """One question."""
        begun = time.perf_counter()
        try:
            connection = free.pop() if free else await self.connect()
            if not connection.open:
                connection = await self.connect()
            status = await connection.ask(self.message())
        except (OSError, TimeoutError, httptools.HttpParserError) as error:
            self.tally.lost[type(error).__name__] += 1
            return
        self.tally.note(status, time.perf_counter() - begun, connection.body)
        if connection.open:
            free.append(connection)


def at(times: Sequence[float], part: float) -> float:
    """A percentile in milliseconds."""
    ordered = sorted(times)
    return round(1e3 * ordered[min(len(ordered) - 1, int(part * len(ordered)))], 2)


def main(arguments: Sequence[str] | None = None) -> None:
    """Ask, and print what came back."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("bodies", type=Path)
    parser.add_argument("--path", default="/v1/predict")
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--retry", type=float, default=0.05, help="seconds after a refusal")
    parser.add_argument("--rate", type=float, help="questions a second, whatever the answers do")
    parser.add_argument("--header", action="append", default=[])
    options = parser.parse_args(arguments)
    callers = Callers(options.url, options.path, options.bodies.read_bytes().splitlines(), options.header)
    begun = time.perf_counter()
    if options.rate:
        asyncio.run(callers.open(options.rate, options.seconds, options.clients))
    else:
        asyncio.run(callers.closed(options.clients, options.seconds, options.retry))
    sys.stdout.write(json.dumps(callers.tally.to_json(time.perf_counter() - begun)) + "\n")


if __name__ == "__main__":
    main()
