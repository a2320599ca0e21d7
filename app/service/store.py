"""Traces on disk, the latest of them in memory.

A trace is one safetensors file, written whole or not at all, in a folder for its owner: nobody finds another's. The
file's modification time says when it was made and its access time, which is set by hand, when it was last used. The
folder is the only index, so that several processes share it: who asks for a trace looks at its own file alone. How
much all of them take stands in one account; over the budget the folder is counted and the least recently used go
first; unused for too long, a trace expires. A file that cannot be read is reported, and stays until the same input is
posted again.

`put`, `keep_beside`, `delete` and `sweep` wait for the disk and for other processes: call them where no reader waits.
"""

import contextlib
import hashlib
import os
import re
import shutil
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import structlog
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from heedmap.app.errors import NotFound
from heedmap.app.service.account import Account, Totals
from heedmap.app.service.stored_trace import StoredTrace
from heedmap.model.errors import HeedmapError, TraceError
from heedmap.model.trace.tensor_file import write_tensors
from heedmap.model.trace.trace import Trace, read_header
from heedmap.model.whole_file import PARTIAL, clear_away, whole_file

SUFFIX = ".safetensors"
TILES = ".tiles"  # a folder beside the trace, a file a head
ANYONE = "anyone"  # the folder of callers without a key
TOUCH_SECONDS = 5.0  # a trace in use is marked so now and then, not for every window that is looked at
SWEEP_SECONDS = 600.0  # between two counts of a folder, used or not: what expired, or is unfinished, stays no longer
ROOM = 0.95  # of the budget is left when it was exceeded: so the folder is not counted again at every new trace
ID = re.compile(r"[0-9a-f]{32}")

log = structlog.get_logger("heedmap")
Key = tuple[str, str]  # owner, id


def owner_of(api_key: str | None) -> str:
    """The name of a caller's folder: a digest of the key, never the key."""
    return ANYONE if api_key is None else hashlib.sha256(b"heedmap owner " + api_key.encode()).hexdigest()[:32]


@dataclass(frozen=True)
class _File:
    """A trace's file as it stands on disk; `version` tells it from one that was written later in its place."""

    key: Key
    size: int
    created: float
    used: float
    version: tuple[int, int]

    @classmethod
    def of(cls, key: Key, stat: os.stat_result, beside: int = 0) -> "_File":
        # The system itself sets access times when it reads, but never before a file was made.
        used = max(stat.st_atime, stat.st_mtime)
        return cls(key, stat.st_size + beside, stat.st_mtime, used, (stat.st_ino, stat.st_mtime_ns))


class TraceStore:
    """The traces of all owners, within a budget of bytes, in a folder that other processes may use as well."""

    def __init__(
        self, folder: Path, *, budget: int, memory: int, lifetime: float, clock: Callable[[], float] = time.time
    ) -> None:
        self.folder, self.budget, self.memory, self.lifetime, self.clock = folder, budget, memory, lifetime, clock
        self.account = Account(folder)
        self._held: OrderedDict[Key, tuple[StoredTrace, tuple[int, int]]] = OrderedDict()  # least recently used first
        self._lock = threading.Lock()  # of what is in memory: nobody touches a file while he holds it

    def open(self) -> None:
        """Make the folder, and count what other processes have left there.

        Raises:
            HeedmapError: nothing can be written there.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.sweep()
        except OSError as error:
            raise HeedmapError(
                f"traces cannot be kept in {self.folder}: {error.strerror}; name a folder that can be written to",
                field="traces",
            ) from error

    @property
    def bytes(self) -> int:
        """What the files take on disk."""
        return self.account.totals().bytes

    def __len__(self) -> int:
        return self.account.totals().traces

    def file(self, owner: str, identifier: str) -> BinaryIO:
        """The trace's file, opened: whoever removes it meanwhile takes it from nobody who reads it.

        Raises:
            NotFound: this owner has no such trace. TraceError: it cannot be opened.
        """
        path = self._path(self._look((owner, identifier)).key)
        try:
            return path.open("rb")
        except FileNotFoundError:
            raise _none(identifier) from None
        except OSError as error:
            raise TraceError(f"the trace's file cannot be opened: {error.strerror}", field="id") from error

    def put(self, owner: str, identifier: str, model: str, trace: Trace) -> StoredTrace:
        """Write a trace, and make room for it."""
        key = owner, identifier
        path, now = self._path(key), self.clock()
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(NotFound, TraceError):  # another process may have made the same trace meanwhile
            return self.get(owner, identifier)
        with self.account.changing() as totals:
            self._remove(key, totals)  # a file that was damaged, and what was worked out of it
        size = trace.save(path, {"id": identifier, "model": model}, now)
        with self.account.changing() as totals:  # so nobody removes it meanwhile
            if not path.exists():  # somebody has already, for a trace of his own
                return StoredTrace(identifier, model, trace, size, now, now + self.lifetime, trace.nbytes)
            trace = Trace.load(path)  # its tensors now lie in the file, whose pages the system takes back when it must
            held = self._hold(_File.of(key, path.stat()), model, trace)
            totals.bytes += size
            totals.traces += 1
            self._keep_within(totals, key)
        return held

    def get(self, owner: str, identifier: str) -> StoredTrace:
        """Open a trace, from memory where it still is.

        Raises:
            NotFound: this owner has no such trace. TraceError: its file is damaged.
        """
        held = self.peek(owner, identifier)
        if held is not None:
            return held
        file = self._look((owner, identifier))
        path = self._path(file.key)
        try:
            return self._hold(file, read_header(path).get("model", ""), Trace.load(path))
        except TraceError:
            self._look(file.key)  # removed while it was read: there is none
            raise

    def peek(self, owner: str, identifier: str) -> StoredTrace | None:
        """A trace that is in memory and still on disk; touches no torch and costs the same among any number of them.

        Raises:
            NotFound: this owner has no such trace.
        """
        key = owner, identifier
        file = self._look(key)
        with self._lock:
            held, version = self._held.get(key, (None, None))
            if held is None or version != file.version:
                return None
            self._held.move_to_end(key)
            held.expires = file.used + self.lifetime
            return held

    def keep_beside(self, owner: str, identifier: str, name: str, tensors: dict[str, Tensor]) -> None:
        """Write what was worked out of a trace beside it; it goes when the trace goes."""
        key = owner, identifier
        path = self._path(key).with_suffix(TILES) / f"{name}{SUFFIX}"
        try:
            path.parent.mkdir(exist_ok=True)
            with whole_file(path) as file:
                write_tensors(file, tensors, {})
            size = path.stat().st_size
        except FileNotFoundError:  # evicted in the meantime
            return
        with self.account.changing() as totals:
            totals.bytes += size
            if not self._path(key).exists():
                self._remove(key, totals)
            self._keep_within(totals, key)

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
        key = owner, identifier
        self._look(key)
        with self.account.changing() as totals:
            if not self._remove(key, totals):
                raise _none(identifier)

    def sweep(self) -> None:
        """Count the folder; clear away what expired, is over the budget, or was left unfinished by who died."""
        with self.account.changing() as totals:
            self._count(totals, None)

    def _path(self, key: Key) -> Path:
        if not ID.fullmatch(key[1]):
            raise _none(key[1])
        return self.folder / key[0] / f"{key[1]}{SUFFIX}"

    def _look(self, key: Key) -> _File:
        """The trace's file, marked as used."""
        path, now = self._path(key), self.clock()
        try:
            file = _File.of(key, path.stat())
            if now - file.used >= TOUCH_SECONDS and now - file.used <= self.lifetime:
                with path.open("rb") as opened:  # by its handle: another file may take its place meanwhile
                    os.utime(opened.fileno(), ns=(int(now * 1e9), os.fstat(opened.fileno()).st_mtime_ns))
                file = replace(file, used=now)
        except FileNotFoundError:
            self._forget(key)
            raise _none(key[1]) from None
        if now - file.used > self.lifetime:
            raise _none(key[1])
        return file

    def _hold(self, file: _File, model: str, trace: Trace) -> StoredTrace:
        held = StoredTrace(file.key[1], model, trace, file.size, file.created, file.used + self.lifetime, trace.nbytes)
        with self._lock:
            self._held[file.key] = held, file.version
            self._held.move_to_end(file.key)
            total = sum(held.nbytes for held, _ in self._held.values())
            while len(self._held) > 1 and total > self.memory:
                total -= self._held.popitem(last=False)[1][0].nbytes
        return held

    def _forget(self, key: Key) -> None:
        with self._lock:
            self._held.pop(key, None)

    def _keep_within(self, totals: Totals, newest: Key) -> None:
        if totals.bytes > self.budget or abs(self.clock() - totals.counted) > SWEEP_SECONDS:
            self._count(totals, newest)

    def _count(self, totals: Totals, newest: Key | None) -> None:
        """Count all files, and remove what has to go, oldest use first; the newest stays even where it is over."""
        files = sorted(self._files(), key=lambda file: (file.key == newest, file.used))
        totals.bytes, totals.traces = sum(file.size for file in files), len(files)
        totals.counted = self.clock()
        over = totals.bytes > self.budget
        for file in files:
            expired = totals.counted - file.used > self.lifetime
            if expired or (over and totals.bytes > ROOM * self.budget and file is not files[-1]):
                log.info("trace_expired" if expired else "trace_evicted", trace=file.key[1], bytes=file.size)
                self._remove(file.key, totals)

    def _files(self) -> Iterator[_File]:
        for path in self.folder.glob("*/*"):
            key = path.parent.name, path.stem
            try:
                if path.name.endswith(PARTIAL):
                    clear_away(path)
                elif path.suffix == TILES and ID.fullmatch(path.stem):
                    for part in path.glob(f"*{PARTIAL}"):
                        clear_away(part)
                    if not path.with_suffix(SUFFIX).is_file():
                        shutil.rmtree(path, ignore_errors=True)
                elif path.suffix == SUFFIX and ID.fullmatch(path.stem):
                    yield _File.of(key, path.stat(), _bytes_of(path.with_suffix(TILES)))
            except FileNotFoundError:  # another process is at it
                continue

    def _remove(self, key: Key, totals: Totals) -> bool:
        """Remove a trace and what lies beside it from disk, memory and the totals; whether there was one."""
        self._forget(key)
        path = self._path(key)
        beside = _bytes_of(path.with_suffix(TILES))
        try:
            size = path.stat().st_size
            path.unlink()
        except FileNotFoundError:
            size = None
        shutil.rmtree(path.with_suffix(TILES), ignore_errors=True)
        totals.bytes = max(0, totals.bytes - beside - (size or 0))
        totals.traces = max(0, totals.traces - (size is not None))
        return size is not None


def _bytes_of(tiles: Path) -> int:
    """Bytes of what lies beside a trace."""
    try:
        return sum(part.stat().st_size for part in tiles.glob(f"*{SUFFIX}"))
    except FileNotFoundError:
        return 0


def _none(identifier: str) -> NotFound:
    return NotFound(
        f"there is no trace {identifier[:64]!r}; it may have expired: POST /v1/traces makes it again", field="id"
    )
