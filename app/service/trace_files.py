"""The files of a folder of traces: where each stands, what it says of itself, and all of them when they are counted."""

import errno
import os
import re
import shutil
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import structlog
from torch import Tensor

from heedmap.app.errors import StorageFull
from heedmap.model.trace.tensor_file import write_sealed
from heedmap.model.trace.trace import Trace
from heedmap.model.whole_file import FULL, PARTIAL, clear_away, whole_file

SUFFIX = ".safetensors"
TILES = ".tiles"  # a folder beside the trace, a file a head
ID = re.compile(r"[0-9a-f]{32}")
PRIVATE_FILE, PRIVATE_FOLDER = 0o600, 0o700  # inputs of people and what models made of them: nobody else's to read
TOUCH_SECONDS = 5.0  # a trace in use is marked so now and then, not for every window that is looked at
TOGETHER = 256  # files that are looked at in one go: 3 ms, after which other threads of the process may have the CPU
HEADER_ROOM = 1 << 20  # bytes: what a file takes besides its tensors, the labels of a long text included
log = structlog.get_logger("heedmap")
Key = tuple[str, str]  # owner, id
Version = tuple[int, int, int]  # inode, time of the last change in nanoseconds, size


@dataclass(frozen=True)
class TraceFile:
    """A trace's file as it stands on disk; `version` tells it from one that was written later in its place."""

    key: Key
    size: int
    created: float
    used: float
    version: Version

    @classmethod
    def of(cls, key: Key, stat: os.stat_result, beside: int = 0) -> "TraceFile":
        """beside: bytes of what lies beside the trace."""
        # The system itself sets access times when it reads, but never before a file was made.
        used = max(stat.st_atime, stat.st_mtime)
        version = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
        return cls(key, stat.st_size + beside, stat.st_mtime, used, version)


class OpenedFile:
    """A file that was opened to be sent: what is read of it stays that file, whatever takes its place meanwhile.

    Raises:
        OSError: it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        self.close = weakref.finalize(self, os.close, self._fd)  # at the latest when nobody refers to it
        self._file = open(self._fd, "rb", buffering=0, closefd=False)  # noqa: SIM115  # closed by its number
        self.stat = os.fstat(self._fd)

    def read(self, start: int, length: int) -> bytes:
        """Bytes from a place on: fewer than these only at the end."""
        self._file.seek(start)
        return self._file.read(length) or b""


def listed(folder: Path) -> Iterator[TraceFile]:
    """All traces of a folder, in any order; what nobody will finish, and what lies beside no trace, is cleared away."""
    for owner in _entries(folder):
        if owner.is_dir(follow_symlinks=False):
            yield from _owned(owner)


def save(path: Path, trace: Trace, header: dict[str, str], date: float, make_room: Callable[[int], int]) -> int:
    """Write a trace's file, whole or not at all; where the disk is full, once more after others were evicted.

    make_room: evicts so many bytes, and says how many it did. Returns the file's size.

    Raises:
        StorageFull: there is no room.
    """
    for last in (False, True):
        try:
            path.parent.mkdir(PRIVATE_FOLDER, parents=True, exist_ok=True)
            return trace.save(path, header, date, PRIVATE_FILE)
        except OSError as error:
            if error.errno not in FULL:
                raise
            log.warning("disk_full", trace=header.get("id"), bytes=trace.nbytes, cause=error.strerror)
            if last or error.errno == errno.EFBIG or not make_room(trace.nbytes + HEADER_ROOM):
                raise StorageFull(
                    f"there is no room for a trace of {trace.nbytes:,} bytes ({error.strerror}): DELETE other traces, "
                    "or ask POST /v1/predict for attention, which keeps nothing; whoever runs the service makes room "
                    "where its traces lie"
                ) from error
    raise AssertionError("the second try returns or raises")


def save_beside(path: Path, tensors: Mapping[str, Tensor]) -> int | None:
    """Write what was worked out of a trace; its size, or None where the trace has gone or the disk is full."""
    try:
        path.parent.mkdir(PRIVATE_FOLDER, exist_ok=True)
        with whole_file(path, PRIVATE_FILE) as file:
            return write_sealed(file, tensors, {})
    except FileNotFoundError:  # evicted in the meantime
        return None
    except OSError as error:
        if error.errno not in FULL:
            raise
        log.warning("disk_full", trace=path.parent.stem, cause=error.strerror)
        return None


def look(path: Path, key: Key, now: float, lifetime: float) -> TraceFile | None:
    """A trace's file, marked as used unless it has expired; None where there is none."""
    try:
        file = TraceFile.of(key, path.stat())
        if TOUCH_SECONDS <= now - file.used <= lifetime:
            with path.open("rb") as opened:  # by its handle: another file may take its place meanwhile
                os.utime(opened.fileno(), ns=(int(now * 1e9), os.fstat(opened.fileno()).st_mtime_ns))
            file = replace(file, used=now)
    except FileNotFoundError:
        return None
    return file


def bytes_of(tiles: Path) -> int:
    """Bytes of what lies beside a trace."""
    total = 0
    for part in _entries(tiles):
        if part.name.endswith(SUFFIX):
            with suppress(FileNotFoundError):
                total += part.stat().st_size
    return total


def _owned(owner: "os.DirEntry[str]") -> Iterator[TraceFile]:
    entries = _entries(owner.path)
    traces = {entry.name.removesuffix(SUFFIX) for entry in entries if entry.name.endswith(SUFFIX)}
    beside = {}
    for entry in entries:
        if entry.name.endswith(PARTIAL):
            clear_away(Path(entry.path))
        elif entry.name.endswith(TILES) and ID.fullmatch(entry.name.removesuffix(TILES)):
            for part in _entries(entry.path):
                if part.name.endswith(PARTIAL):
                    clear_away(Path(part.path))
            name = entry.name.removesuffix(TILES)
            if name in traces or Path(entry.path).with_suffix(SUFFIX).is_file():  # or written a moment ago
                beside[name] = bytes_of(Path(entry.path))
            else:
                shutil.rmtree(entry.path, ignore_errors=True)
    for number, entry in enumerate(entries):
        name = entry.name.removesuffix(SUFFIX)
        if name in traces and name != entry.name and ID.fullmatch(name):
            with suppress(FileNotFoundError):  # another process is at it
                yield TraceFile.of((owner.name, name), entry.stat(), beside.get(name, 0))
        if number % TOGETHER == TOGETHER - 1:
            time.sleep(0)


def _entries(folder: str | Path) -> "list[os.DirEntry[str]]":
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except (FileNotFoundError, NotADirectoryError):
        return []
