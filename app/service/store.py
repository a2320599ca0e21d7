"""Traces on disk, the latest of them in memory.

A trace is one safetensors file, written whole or not at all, in a folder for its owner: nobody finds another's. The
file's modification time says when it was made and its access time, which is set by hand, when it was last used. The
folder is the only index, so that several processes share it: who asks for a trace looks at its own file alone. How
much all of them take stands in one account; over the budget the folder is counted and the least recently used go
first; unused for too long, a trace expires. A file that cannot be read is reported, and stays until the same input is
posted again: its digest, which is checked when it is opened, covers every byte of it, and its header names its id. A
full disk makes room by the same rule, once.

`put`, `keep_beside`, `delete` and `sweep` wait for the disk and for other processes: call them where no reader waits.
"""

import contextlib
import heapq
import math
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import structlog
from torch import Tensor

from heedmap.app.errors import NotFound
from heedmap.app.service.account import Account, Totals
from heedmap.app.service.stored_trace import Held, StoredTrace
from heedmap.app.service.trace_files import (
    ID,
    PRIVATE_FOLDER,
    SUFFIX,
    TILES,
    Key,
    OpenedFile,
    TraceFile,
    bytes_of,
    listed,
    look,
    save,
    save_beside,
)
from heedmap.app.ticket import ANYONE
from heedmap.model.errors import HeedmapError, TraceError
from heedmap.model.trace.tensor_file import DIGEST
from heedmap.model.trace.tensor_reader import TensorFile
from heedmap.model.trace.trace import Trace

SWEEP_SECONDS = 600.0  # between two counts of a folder: what expired, or was left unfinished, stays no longer
ROOM = 0.95  # of the budget is left when it was exceeded: so the folder is not counted again at every new trace

log = structlog.get_logger("heedmap")


class TraceStore:
    """The traces of all owners, within a budget of bytes, in a folder that other processes may use as well."""

    remote = False  # whether another place is behind the folder, which is asked over a network

    def __init__(
        self, folder: Path, *, budget: int, memory: int, lifetime: float, clock: Callable[[], float] = time.time
    ) -> None:
        self.folder, self.budget, self.memory, self.lifetime, self.clock = folder, budget, memory, lifetime, clock
        self.account = Account(folder)
        self.written: Callable[[int], None] = lambda size: None  # told the bytes of every trace that was written
        self._held = Held(memory)

    def open(self) -> None:
        """Make the folder, and count what other processes have left there.

        Raises:
            HeedmapError: nothing can be written there.
        """
        try:
            self.folder.mkdir(PRIVATE_FOLDER, parents=True, exist_ok=True)
            self._close_to_others()
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

    def opened(self, owner: str, identifier: str) -> OpenedFile:
        """The trace's file, to be sent as it is: whoever asks has opened the trace before, which checks it.

        Raises:
            NotFound: this owner has no such trace.
        """
        try:
            return OpenedFile(self._path(self._look((owner, identifier)).key))
        except FileNotFoundError:
            raise no_trace(identifier) from None

    def put(self, owner: str, identifier: str, model: str, trace: Trace, created: float | None = None) -> StoredTrace:
        """Write a trace, and make room for it.

        created: when it was made, in seconds, where that is not now.

        Raises:
            StorageFull: there is no room on the disk, and evicting others did not make any.
        """
        key = owner, identifier
        path, now = self._path(key), self.clock() if created is None else created
        with contextlib.suppress(NotFound, TraceError):  # another process may have made the same trace meanwhile
            return TraceStore.get(self, owner, identifier)  # from the folder, whatever is behind it
        with self.account.changing() as totals:
            self._remove(key, totals)  # a file that was damaged, and what was worked out of it
        header = {"id": identifier, "model": model, "created": repr(now)}
        size = save(path, trace, header, now, lambda needed: self._count(None, needed))
        with self.account.changing() as totals:  # so nobody removes it meanwhile
            if not path.exists():  # somebody has already, for a trace of his own
                return StoredTrace(identifier, model, trace, size, now, now + self.lifetime, trace.nbytes)
            trace = Trace.load(path, verify=False)  # as it will be read: no more of a batch than its own part
            held = self._hold(TraceFile.of(key, path.stat()), model, trace)  # only now: reading it is a use
            totals.bytes += size
            totals.traces += 1
        self.written(size)
        self._keep_within(key)
        return held

    def get(self, owner: str, identifier: str) -> StoredTrace:
        """Open a trace, from memory where it still is.

        Raises:
            NotFound: this owner has no such trace. TraceError: its file is damaged.
        """
        for held in self.opening(owner, identifier):
            if held is not None:
                return held
        raise AssertionError("opening ends with the trace")

    def opening(self, owner: str, identifier: str) -> Iterator[StoredTrace | None]:
        """As `get`, a few megabytes at a time: None after each of them, and the trace at the end.

        Raises:
            NotFound: this owner has no such trace. TraceError: its file is damaged.
        """
        held = self.peek(owner, identifier)
        if held is not None:
            yield held
            return
        key = owner, identifier
        used = self._look(key).used
        try:
            opened = TensorFile(self._path(key))
            named = opened.metadata.get("id")
            if named != identifier:
                raise TraceError(f"{opened.name} is the trace of another id, {str(named)[:40]}")
            for trace in Trace.loading(opened):
                if trace is None:
                    yield None
                else:
                    file = replace(TraceFile.of(key, opened.stat), used=used)
                    yield self._hold(file, opened.metadata.get("model", ""), trace)
        except TraceError:
            self._look(key)  # removed while it was read: there is none
            raise

    def peek(self, owner: str, identifier: str) -> StoredTrace | None:
        """A trace that is in memory and still on disk; touches no torch and costs the same among any number of them.

        Raises:
            NotFound: this owner has no such trace.
        """
        file = self._look((owner, identifier))
        held = self._held.get(file)
        if held is not None:
            held.expires = file.used + self.lifetime
        return held

    def keep_beside(self, owner: str, identifier: str, name: str, tensors: dict[str, Tensor]) -> None:
        """Write what was worked out of a trace beside it, where there is room; it goes when the trace goes."""
        key = owner, identifier
        size = save_beside(self._path(key).with_suffix(TILES) / f"{name}{SUFFIX}", tensors)
        if size is None:
            return
        with self.account.changing() as totals:
            totals.bytes += size
            if not self._path(key).exists():
                self._remove(key, totals)
        self._keep_within(key)

    def beside(self, owner: str, identifier: str, name: str) -> dict[str, Tensor]:
        """What `keep_beside` wrote under this name; empty where there is none, or it is damaged."""
        path = self._path((owner, identifier)).with_suffix(TILES) / f"{name}{SUFFIX}"
        try:
            file = TensorFile(path)
            return file.tensors() if DIGEST in file.metadata else {}
        except TraceError:
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
                raise no_trace(identifier)

    def sweep(self) -> None:
        """Count the folder; clear away what expired, is over the budget, or was left unfinished by who died."""
        self._count(None)

    def confirm(self, owner: str, identifier: str) -> None:
        """Where there is a store behind the folder (`remote`): look whether it still has a trace."""

    def settle(self, owner: str, identifier: str) -> None:
        """Where there is a store behind the folder: put a trace there that could not be put before."""

    def _evictable(self, key: Key) -> bool:
        return True

    def _close_to_others(self) -> None:
        """Owners' folders of before this was so were everybody's to read."""
        for folder in self.folder.iterdir():
            if folder.name == ANYONE or ID.fullmatch(folder.name):
                with contextlib.suppress(PermissionError):  # another user's, who sees to it himself
                    folder.chmod(PRIVATE_FOLDER)

    def _path(self, key: Key) -> Path:
        if not ID.fullmatch(key[1]):
            raise no_trace(key[1])
        return self.folder / key[0] / f"{key[1]}{SUFFIX}"

    def _look(self, key: Key) -> TraceFile:
        """The trace's file, marked as used."""
        now = self.clock()
        file = look(self._path(key), key, now, self.lifetime)
        if file is None:
            self._held.forget(key)
        if file is None or now - file.used > self.lifetime:
            raise no_trace(key[1])
        return file

    def _hold(self, file: TraceFile, model: str, trace: Trace) -> StoredTrace:
        held = StoredTrace(file.key[1], model, trace, file.size, file.created, file.used + self.lifetime, trace.nbytes)
        self._held.keep(file, held)
        return held

    def _keep_within(self, newest: Key) -> None:
        totals = self.account.totals()
        if totals.bytes > self.budget or abs(self.clock() - totals.counted) > SWEEP_SECONDS:
            self._count(newest)

    def _count(self, newest: Key | None, make_room: int = 0) -> int:
        """Count all files, and remove what has to go, oldest use first; the newest stays even where it is over.

        Nobody waits for the count, which takes seconds of a hundred thousand files: what others put and remove
        meanwhile is added to it, and may be there twice until the next.

        Args:
            newest: what was just written.
            make_room: bytes of others to remove in any case; none, where all of them would not be enough.

        Returns the bytes removed.
        """
        before = self.account.totals()
        files, counted, removed = [], 0, 0
        for file in listed(self.folder):
            files.append(file)
            counted += file.size
        if counted + shutil.disk_usage(self.folder).free < make_room:
            make_room = 0
        # Not sorted: that would keep every other thread of the process for as long as it takes.
        oldest = [(file.used, number) for number, file in enumerate(files) if file.key != newest]
        heapq.heapify(oldest)
        with self.account.changing() as totals:
            totals.bytes = max(0, counted + totals.bytes - before.bytes)
            totals.traces = max(0, len(files) + totals.traces - before.traces)
            totals.counted = self.clock()
            enough = ROOM * self.budget if totals.bytes > self.budget else math.inf
            while oldest:
                used, number = heapq.heappop(oldest)
                expired = totals.counted - used > self.lifetime
                spared = not oldest and newest is None  # one trace is kept even where it is over the budget
                if not expired and removed >= make_room and (spared or totals.bytes <= enough):
                    break
                file = files[number]
                if not self._evictable(file.key):
                    continue
                log.info("trace_expired" if expired else "trace_evicted", trace=file.key[1], bytes=file.size)
                removed += file.size if self._remove(file.key, totals) else 0
        return removed

    def _remove(self, key: Key, totals: Totals) -> bool:
        """Remove a trace and what lies beside it from disk, memory and the totals; whether there was one."""
        self._held.forget(key)
        path = self._path(key)
        beside = bytes_of(path.with_suffix(TILES))
        try:
            size = path.stat().st_size
            path.unlink()
        except FileNotFoundError:
            size = None
        shutil.rmtree(path.with_suffix(TILES), ignore_errors=True)
        totals.bytes = max(0, totals.bytes - beside - (size or 0))
        totals.traces = max(0, totals.traces - (size is not None))
        return size is not None


def no_trace(identifier: str) -> NotFound:
    """What is said where an owner has no such trace."""
    return NotFound(
        f"there is no trace {identifier[:64]!r}; it may have expired: POST /v1/traces makes it again", field="id"
    )
