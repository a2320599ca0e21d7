"""Files that are written whole or not at all, by any number of processes in one folder.

A file is written aside, under a name that no other writer has, and renamed. Whoever writes holds a lock on it, which
the system lets go when the process dies: so a file aside without a lock is one that nobody will finish.
"""

import errno
import os
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

if sys.platform != "win32":  # where age alone tells
    import fcntl

PARTIAL = ".partial"
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # no room on the disk, in the quota, in what one file may take
STALE = 86_400.0  # seconds: where files cannot be locked, what nobody has written to for a day is nobody's


@contextmanager
def whole_file(path: Path, mode: int = 0o666) -> Iterator[BinaryIO]:
    """A file to write to, which then takes the place of `path`; after an error nothing has happened.

    mode: who may open it, less what the process's umask takes away.
    """
    file, aside = _aside(path, mode)
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
            os.replace(aside, path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise


def lock(file: BinaryIO, wait: bool = True) -> bool | None:
    """Lock an open file against every other opening of it; whether it is now, None where nobody can know."""
    if sys.platform == "win32":
        return None
    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return None
    return True


def clear_away(aside: Path) -> None:
    """Remove a file that its writer did not finish, unless that writer is still at it."""
    try:
        with aside.open("rb") as file:
            free = lock(file, wait=False)
            if free or (free is None and time.time() - aside.stat().st_mtime > STALE):
                aside.unlink(missing_ok=True)
    except FileNotFoundError:  # finished, or cleared away by another
        pass


def _aside(path: Path, mode: int) -> tuple[BinaryIO, Path]:
    while True:
        aside = path.with_name(f"{path.name}.{os.getpid()}-{uuid.uuid4().hex[:8]}{PARTIAL}")
        file = open(aside, "xb", opener=lambda name, flags: os.open(name, flags, mode))  # noqa: SIM115  # the caller's
        lock(file)
        try:
            if aside.stat().st_ino == os.fstat(file.fileno()).st_ino:
                return file, aside
        except FileNotFoundError:  # cleared away before it was locked
            pass
        file.close()
