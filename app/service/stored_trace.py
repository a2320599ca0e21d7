"""Open traces, with what their files say about them, and those that are kept in memory."""

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from heedmap.app.render.wire import FLOOR_EXPONENT, SIGNED_STEPS, STEPS, TOP_EXPONENT
from heedmap.app.service.finite import require
from heedmap.app.service.trace_files import Key, TraceFile, Version
from heedmap.model.attention.tiles import SIDE
from heedmap.model.trace.trace import Trace

# Half a step of the codes of tiles and thumbnails, as a factor; what is nearer to zero than the floor reads as zero,
# and what is farther than the ceiling as the ceiling.
ENCODINGS = {
    "u8log": {"relative_error": 2 ** (-FLOOR_EXPONENT / STEPS / 2) - 1, "floor": 2.0**FLOOR_EXPONENT},
    "s8log": {
        "relative_error": 2 ** ((TOP_EXPONENT - FLOOR_EXPONENT) / SIGNED_STEPS / 2) - 1,
        "floor": 2.0**FLOOR_EXPONENT,
        "ceiling": 2.0**TOP_EXPONENT,
    },
}

# How the tiles of every site are made; a site's own `levels` says how many there are. Those of other measures than the
# weights have the encoding that the measure declares.
TILESET = {"size": SIDE, "reductions": ["max", "mean"], "encoding": "u8log"}


@dataclass(eq=False)
class StoredTrace:
    """A trace with what the file's name and header say about it."""

    id: str
    model: str
    trace: Trace
    size: int
    created: float
    expires: float
    nbytes: int  # of its tensors
    durable: bool = True  # its file is whole
    heads: dict[str, Any] | None = field(default=None)  # with each site's best; filled by the first who asks

    def summary(self) -> dict[str, Any]:
        """The contract's trace summary.

        Raises:
            NotFinite: the prediction or the certificate has numbers that JSON has no word for.
        """
        summary = self.trace.to_json()
        for part in ("prediction", "certificate"):
            require(summary[part], f"numbers in the {part}")
        return {
            "id": self.id,
            "model": self.model,
            **summary,
            **({} if self.trace.request is None else {"request": dict(self.trace.request)}),
            "encodings": ENCODINGS,
            "tiles": TILESET,
            "bytes": self.size,
            "durable": self.durable,
            "created_at": _iso(self.created),
            "expires_at": _iso(self.expires),
        }

    @property
    def version(self) -> str:
        """Changes whenever the trace is made anew; the ETags of its maps hold it."""
        return f"{self.id}-{int(self.created * 1e6):x}"


class Held:
    """Open traces within a budget of bytes, as long as nothing has been written in their place; for many threads."""

    def __init__(self, memory: int) -> None:
        self.memory = memory
        self._held: OrderedDict[Key, tuple[StoredTrace, Version]] = OrderedDict()  # least recently used first
        self._lock = threading.Lock()  # nobody touches a file while he holds it

    def get(self, file: TraceFile) -> StoredTrace | None:
        """The open trace of this very file, if it is here."""
        with self._lock:
            held, version = self._held.get(file.key, (None, None))
            if held is None or version != file.version:
                return None
            self._held.move_to_end(file.key)
            return held

    def keep(self, file: TraceFile, held: StoredTrace) -> None:
        """Keep an open trace; over the budget the least recently used go."""
        with self._lock:
            self._held[file.key] = held, file.version
            self._held.move_to_end(file.key)
            total = sum(held.nbytes for held, _ in self._held.values())
            while len(self._held) > 1 and total > self.memory:
                total -= self._held.popitem(last=False)[1][0].nbytes

    def forget(self, key: Key) -> None:
        """Let go of one, if it is here."""
        with self._lock:
            self._held.pop(key, None)


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
