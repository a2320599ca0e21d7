"""Traces on disk, the latest of them in memory.

A trace is one safetensors file, written whole or not at all, in a folder for its owner: nobody finds another's. The
file's modification time says when it was made and its access time, which is set by hand, when it was last used, so a
restart needs no index. Over the budget the least recently used go first; unused for too long, a trace expires. A file
that cannot be read is reported, and stays until the same input is posted again.

Reading and writing files here touches torch: call `put` and `get` on the worker.
"""

import hashlib
import os
import re
import shutil
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from heedmap.app.errors import NotFound
from heedmap.app.render.wire import FLOOR_EXPONENT, STEPS
from heedmap.model.attention.tiles import SIDE
from heedmap.model.trace.trace import Trace, read_header

SUFFIX = ".safetensors"
TILES = ".tiles"  # a folder beside the trace, a file a head
ANYONE = "anyone"  # the folder of callers without a key
TOUCH_SECONDS = 60.0  # a trace in use is marked so once a minute, not for every window that is looked at
ID = re.compile(r"[0-9a-f]{32}")

# Half a step of the code of tiles and thumbnails, as a factor; below the floor a weight reads as zero.
ENCODINGS = {"u8log": {"relative_error": 2 ** (-FLOOR_EXPONENT / STEPS / 2) - 1, "floor": 2.0**FLOOR_EXPONENT}}

# How the tiles of every site are made; a site's own `levels` says how many there are.
TILESET = {"size": SIDE, "reductions": ["max", "mean"], "encoding": "u8log"}

log = structlog.get_logger("heedmap")
Key = tuple[str, str]  # owner, id


def owner_of(api_key: str | None) -> str:
    """The name of a caller's folder: a digest of the key, never the key."""
    return ANYONE if api_key is None else hashlib.sha256(b"heedmap owner " + api_key.encode()).hexdigest()[:32]


@dataclass(eq=False)
class StoredTrace:
    """A trace with what the file's name and header say about it."""

    id: str
    model: str
    trace: Trace
    size: int
    created: float
    expires: float
    heads: dict[str, Any] | None = field(default=None)  # with each site's best; filled by the first who asks

    def summary(self) -> dict[str, Any]:
        """The contract's trace summary."""
        return {
            "id": self.id,
            "model": self.model,
            **self.trace.to_json(),
            "encodings": ENCODINGS,
            "tiles": TILESET,
            "bytes": self.size,
            "created_at": _iso(self.created),
            "expires_at": _iso(self.expires),
        }

    @property
    def version(self) -> str:
        """Changes whenever the trace is made anew; the ETags of its maps hold it."""
        return f"{self.id}-{int(self.created * 1e6):x}"


@dataclass
class _File:
    size: int
    created: float
    used: float


class TraceStore:
    """The traces of all owners, within a budget of bytes."""

    def __init__(
        self, folder: Path, *, budget: int, memory: int, lifetime: float, clock: Callable[[], float] = time.time
    ) -> None:
        self.folder, self.budget, self.memory, self.lifetime, self.clock = folder, budget, memory, lifetime, clock
        self._files: OrderedDict[Key, _File] = OrderedDict()  # least recently used first
        self._held: OrderedDict[Key, StoredTrace] = OrderedDict()
        self._lock = threading.RLock()

    def open(self) -> None:
        """Find the traces that an earlier process left, and clear away what it did not finish writing."""
        self.folder.mkdir(parents=True, exist_ok=True)
        found = []
        for path in self.folder.glob("*/*"):
            if path.name.endswith(".partial"):
                path.unlink(missing_ok=True)
            elif path.suffix == TILES and not path.with_suffix(SUFFIX).is_file():
                shutil.rmtree(path, ignore_errors=True)
            elif path.suffix == SUFFIX and ID.fullmatch(path.stem):
                stat = path.stat()
                beside = sum(part.stat().st_size for part in path.with_suffix(TILES).glob(f"*{SUFFIX}"))
                entry = _File(stat.st_size + beside, stat.st_mtime, stat.st_atime)
                found.append(((path.parent.name, path.stem), entry))
        with self._lock:
            self._files = OrderedDict(sorted(found, key=lambda entry: entry[1].used))
            self._evict()

    @property
    def bytes(self) -> int:
        """What the files take on disk."""
        with self._lock:
            return sum(file.size for file in self._files.values())

    def __len__(self) -> int:
        return len(self._files)

    def path(self, owner: str, identifier: str) -> Path:
        """Where the trace's file stands.

        Raises:
            NotFound: this owner has no such trace.
        """
        with self._lock:
            self._expire()
            if (owner, identifier) not in self._files:
                raise NotFound(
                    f"there is no trace {identifier[:64]!r}; it may have expired: POST /v1/traces makes it again",
                    field="id",
                )
            self._touch((owner, identifier))
            return self._path((owner, identifier))

    def put(self, owner: str, identifier: str, model: str, trace: Trace) -> StoredTrace:
        """Write a trace, and make room for it."""
        path = self._path((owner, identifier))
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(path.with_suffix(TILES), ignore_errors=True)  # of a file that was damaged
        size = trace.save(path, {"id": identifier, "model": model})
        trace = Trace.load(path)  # its tensors now lie in the file, whose pages the system takes back when it must
        now = self.clock()
        os.utime(path, (now, now))
        with self._lock:
            self._files[owner, identifier] = _File(size, now, now)
            self._files.move_to_end((owner, identifier))
            held = self._hold((owner, identifier), model, trace)
            self._evict()
        return held

    def get(self, owner: str, identifier: str) -> StoredTrace:
        """Open a trace, from memory where it still is.

        Raises:
            NotFound: this owner has no such trace. TraceError: its file is damaged.
        """
        path = self.path(owner, identifier)
        held = self.peek(owner, identifier)
        if held is not None:
            return held
        model = read_header(path).get("model", "")
        trace = Trace.load(path)
        with self._lock:
            if (owner, identifier) not in self._files:  # evicted while it was read
                raise NotFound(f"there is no trace {identifier!r} any more", field="id")
            return self._hold((owner, identifier), model, trace)

    def peek(self, owner: str, identifier: str) -> StoredTrace | None:
        """A trace that is in memory; touches no torch.

        Raises:
            NotFound: this owner has no such trace.
        """
        self.path(owner, identifier)
        with self._lock:
            held = self._held.get((owner, identifier))
            if held is not None:
                self._held.move_to_end((owner, identifier))
                held.expires = self._files[owner, identifier].used + self.lifetime
            return held

    def keep_beside(self, owner: str, identifier: str, name: str, tensors: dict[str, Tensor]) -> None:
        """Write what was worked out of a trace beside it; it goes when the trace goes."""
        with self._lock:
            if (owner, identifier) not in self._files:
                return  # evicted in the meantime
            path = self._path((owner, identifier)).with_suffix(TILES) / f"{name}{SUFFIX}"
            path.parent.mkdir(exist_ok=True)
            aside = path.with_name(path.name + ".partial")
            save_file(tensors, aside)
            os.replace(aside, path)
            self._files[owner, identifier].size += path.stat().st_size
            self._evict()

    def beside(self, owner: str, identifier: str, name: str) -> dict[str, Tensor]:
        """What `keep_beside` wrote under this name; empty where there is none, or it is damaged."""
        path = self._path((owner, identifier)).with_suffix(TILES) / f"{name}{SUFFIX}"
        try:
            return load_file(path)
        except (OSError, SafetensorError):
            return {}

    def delete(self, owner: str, identifier: str) -> None:
        """Forget a trace.

        Raises:
            NotFound: this owner has no such trace.
        """
        self.path(owner, identifier)
        with self._lock:
            self._remove((owner, identifier))

    def _path(self, key: Key) -> Path:
        return self.folder / key[0] / f"{key[1]}{SUFFIX}"

    def _hold(self, key: Key, model: str, trace: Trace) -> StoredTrace:
        file = self._files[key]
        held = StoredTrace(key[1], model, trace, file.size, file.created, file.used + self.lifetime)
        self._held[key] = held
        self._held.move_to_end(key)
        while len(self._held) > 1 and sum(h.trace.nbytes for h in self._held.values()) > self.memory:
            self._held.popitem(last=False)
        return held

    def _touch(self, key: Key) -> None:
        file, now = self._files[key], self.clock()
        self._files.move_to_end(key)
        if now - file.used >= TOUCH_SECONDS:
            file.used = now
            try:
                os.utime(self._path(key), (now, file.created))
            except FileNotFoundError:  # someone cleared the folder by hand
                self._remove(key)
                raise NotFound(f"there is no trace {key[1]!r} any more", field="id") from None

    def _evict(self) -> None:
        """Keep within the budget; the newest trace stays even where it alone is over."""
        self._expire()
        total = self.bytes
        while total > self.budget and len(self._files) > 1:
            key = next(iter(self._files))
            total -= self._files[key].size
            log.info("trace_evicted", trace=key[1], bytes=self._files[key].size)
            self._remove(key)

    def _expire(self) -> None:
        oldest = self.clock() - self.lifetime
        for key in [key for key, file in self._files.items() if file.used < oldest]:
            self._remove(key)

    def _remove(self, key: Key) -> None:
        self._files.pop(key, None)
        self._held.pop(key, None)
        self._path(key).unlink(missing_ok=True)
        shutil.rmtree(self._path(key).with_suffix(TILES), ignore_errors=True)


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
