"""An answer while it is written: events from the thread that decodes to a reader who may be slow, or gone."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping, Sequence
from typing import Any

from heedmap.app.errors import TooLarge
from heedmap.app.render.wire import to_json
from heedmap.app.service.finite import Checking
from heedmap.model.contract import Axis
from heedmap.model.errors import Cancelled
from heedmap.model.trace.trace import Trace
from heedmap.model.watch import Place, Stop, Token, Watch, never

UNSENT_BYTES = (
    4 << 20
)  # events that wait for a reader: a minute's of a fast model, a second's with every map of a large one
EVENT_CELLS = 1 << 16  # weights in one event: about a megabyte, which takes the decoding thread a millisecond


def event(name: str, data: Any) -> bytes:
    """A server-sent event."""
    return b"event: %s\ndata: %s\n\n" % (name.encode(), to_json(data))


class Feed(Watch):
    """What a model tells while it writes, for one reader.

    Args:
        model, task: of the answer, for its first event.
        maps: whose rows go with every token.
    """

    def __init__(self, model: str, task: str, maps: Sequence[Place]) -> None:
        self.model, self.task, self.maps = model, task, maps
        self.trace: Trace | None = None  # once the events are over
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._unsent, self._lock = 0, threading.Lock()
        self._refusal: Exception | None = None
        self._stop: Stop = never

    def __call__(self) -> bool:
        """Whether the reader has gone, or cannot be served."""
        return self._refusal is not None or self._stop()

    def start(self, axes: Mapping[str, Axis]) -> None:
        """The first event."""
        known = {name: axis.to_json() for name, axis in axes.items()}
        self._push(event("start", {"model": self.model, "task": self.task, "axes": known}))

    def token(self, token: Token) -> None:
        """One event a token."""
        cells = sum(row.values.size for row in token.rows)
        if cells > EVENT_CELLS:
            self._refusal = TooLarge(
                f"the maps asked for have {cells:,} weights in the row of one token, at most {EVENT_CELLS:,} are "
                "streamed: ask for fewer heads, or read windows of the trace",
                field="attention",
            )
            return
        data: dict[str, Any] = {
            "index": token.index,
            "id": token.id,
            "label": token.label,
            "text": token.text,
            "log_probability": token.log_probability,
        }
        if self.maps:
            data["attention"] = [
                {"site": row.site, "layer": row.layer, "head": row.head, "query": row.query, "row": row.values}
                for row in token.rows
            ]
        self._push(event("token", data))

    def work(self, trace: Callable[[Sequence[Any], Stop], list[Any]]) -> Callable[[Sequence[Any], Stop], list[Any]]:
        """A model's `trace` of one request, told to this feed while it runs; for the worker."""

        def run(items: Sequence[Any], stop: Stop) -> list[Any]:
            self._stop = stop
            return Checking(trace)(items, self)

        return run

    async def events(self, work: Coroutine[Any, Any, list[Any]]) -> AsyncGenerator[bytes, None]:
        """The events of this work, which ends with the iteration; then `trace` is there.

        Raises:
            TooLarge: the maps asked for are too many. Cancelled: the reader is too slow. And whatever the work raises.
        """
        task = asyncio.ensure_future(work)
        task.add_done_callback(lambda _: self._queue.put_nowait(None))
        try:
            while (data := await self._queue.get()) is not None:
                yield data
                with self._lock:
                    self._unsent -= len(data)
            if self._refusal is not None:
                raise self._refusal
            [outcome] = task.result()
            if isinstance(outcome, Exception):
                raise outcome
            self.trace = outcome
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def _push(self, data: bytes) -> None:
        with self._lock:
            self._unsent += len(data)
            if self._unsent > UNSENT_BYTES and self._refusal is None:
                self._refusal = Cancelled(f"the reader leaves more than {UNSENT_BYTES:,} bytes of events unread")
        self._loop.call_soon_threadsafe(self._queue.put_nowait, data)
