"""Jobs on disk: a JSON file each, and one of its result, beside the traces of its owner; written whole or not at all.

Several processes may share the folder. Each holds the lock of one file of its own, its lease, for as long as it lives:
a job that is not over and whose process holds no lease any more will never be, and is failed by whoever looks at it.
A job whose file is gone has been forgotten, perhaps by another process: whoever runs it then stops.
"""

import contextlib
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import orjson
import structlog

from heedmap.app.errors import NotFound, StorageFull
from heedmap.app.render.wire import to_json
from heedmap.app.service.jobs.job import Job
from heedmap.app.service.trace_files import ID, PRIVATE_FILE, PRIVATE_FOLDER
from heedmap.model.whole_file import FULL, PARTIAL, clear_away, lock, whole_file

FOLDER = "jobs"  # inside an owner's folder: its bytes count as those of the traces there
LEASES = ".leases"  # beside the owners' folders
SUFFIX, RESULT = ".json", ".result"
KEPT = 200  # jobs of one owner: a session's, and their list is read in one go
KEPT_BYTES = 256 << 20  # of all owners: thirty of the largest results
RESULT_BYTES = 8 << 20  # of one job: what a page can still show
INTERRUPTED = "the service ended while this job was waiting or running; post it again"

log = structlog.get_logger("heedmap")


class JobFiles:
    """The jobs of all owners, in the folder of traces.

    Args:
        folder: of the traces of all owners.
        lifetime: seconds for which a job is kept once it is over.
    """

    def __init__(self, folder: Path, lifetime: float, clock: Callable[[], float] = time.time) -> None:
        self.folder, self.lifetime, self.clock = folder, lifetime, clock
        self.lease = uuid.uuid4().hex
        self._held: BinaryIO | None = None
        self._lock = threading.Lock()

    def open(self) -> None:
        """Fail what processes that have ended left unfinished, and clear away what has expired."""
        self.sweep()
        leases = self.folder / LEASES
        for lease in list(leases.iterdir()) if leases.is_dir() else ():
            clear_away(lease)

    def hold(self) -> None:
        """Take the lease, before the first job is written."""
        path = self.folder / LEASES / self.lease
        with self._lock:
            while self._held is None:
                path.parent.mkdir(PRIVATE_FOLDER, exist_ok=True)
                file = open(path, "wb", opener=lambda name, flags: os.open(name, flags, PRIVATE_FILE))  # noqa: SIM115
                lock(file)
                if path.exists():
                    self._held = file
                else:  # cleared away by another before it was locked
                    file.close()

    def close(self) -> None:
        """Let the lease go."""
        if self._held is not None:
            (self.folder / LEASES / self.lease).unlink(missing_ok=True)
            self._held.close()
            self._held = None

    def write(self, job: Job) -> None:
        """Write a job's file, and before it the result, where there is one, to a file of its own.

        Raises:
            StorageFull: there is no room.
        """
        path = self._path(job.owner, job.id)
        try:
            path.parent.mkdir(PRIVATE_FOLDER, parents=True, exist_ok=True)
            with self._lock:  # what is written last is what was so last
                if job.state == "done":
                    _write(path.with_suffix(RESULT), to_json(job.result))
                _write(path, to_json(job.record()))
        except OSError as error:
            if error.errno not in FULL:
                raise
            raise StorageFull(
                f"there is no room for a job ({error.strerror}): DELETE other jobs or traces; whoever runs the service "
                "makes room where its traces lie"
            ) from error

    def update(self, job: Job) -> bool:
        """Write a job's file again; false where it has been forgotten meanwhile, and nothing is written.

        Raises:
            StorageFull: there is no room.
        """
        if not self._path(job.owner, job.id).exists():
            return False
        self.write(job)
        return True

    def read(self, owner: str, identifier: str) -> Job:
        """A job of this owner, with its result.

        Raises:
            NotFound: there is none.
        """
        path = self._path(owner, identifier)
        job = self._read(path)
        if job is None or job.expires < self.clock():
            raise no_job(identifier)
        if job.state == "done":
            try:
                job.result = orjson.loads(path.with_suffix(RESULT).read_bytes())
            except (FileNotFoundError, ValueError):
                raise no_job(identifier) from None
        return job

    def of_owner(self, owner: str) -> list[Job]:
        """The jobs of this owner without their results, the newest first."""
        now = self.clock()
        jobs = [job for path in self._files(owner) if (job := self._read(path)) is not None and job.expires >= now]
        return sorted(jobs, key=lambda job: job.created, reverse=True)

    def delete(self, owner: str, identifier: str) -> None:
        """Forget a job.

        Raises:
            NotFound: there is none.
        """
        with self._lock:
            if not _remove(self._path(owner, identifier)):
                raise no_job(identifier)

    def sweep(self) -> None:
        """Clear away what has expired, and of what is over the oldest, until each owner and all keep what they may."""
        kept: list[tuple[Job, Path, int]] = []
        for owner in self._owners():
            mine = []
            for path in self._files(owner):
                job = self._read(path)
                if job is None or job.expires < self.clock():
                    _remove(path)
                else:
                    mine.append((job, path, _size(path)))
            mine.sort(key=lambda each: each[0].created, reverse=True)
            for job, path, _ in mine[KEPT:]:
                if job.ended:
                    _remove(path)
            kept += mine[:KEPT]
        kept.sort(key=lambda each: each[0].created, reverse=True)
        total = 0
        for job, path, size in kept:
            total += size
            if total > KEPT_BYTES and job.ended:
                log.info("job_evicted", job=job.id, bytes=size)
                _remove(path)

    def make_room(self, owner: str) -> None:
        """Sweep where a further job of this owner would be one too many, or where all are over their bytes."""
        total = sum(_size(path) for each in self._owners() for path in self._files(each))
        if total > KEPT_BYTES or sum(1 for _ in self._files(owner)) >= KEPT:
            self.sweep()

    def _path(self, owner: str, identifier: str) -> Path:
        if not ID.fullmatch(identifier):
            raise no_job(identifier)
        return self.folder / owner / FOLDER / f"{identifier}{SUFFIX}"

    def _owners(self) -> Iterator[str]:
        for folder in self.folder.iterdir():
            if (folder / FOLDER).is_dir():
                yield folder.name

    def _files(self, owner: str) -> Iterator[Path]:
        folder = self.folder / owner / FOLDER
        for path in list(folder.iterdir()) if folder.is_dir() else ():
            if path.name.endswith(PARTIAL):
                clear_away(path)
            elif path.suffix == SUFFIX:
                yield path

    def _read(self, path: Path) -> Job | None:
        """The job of a file; one whose process has ended is failed. None where there is none, or it is damaged."""
        job = self._parsed(path)
        if job is None or job.ended or self._lives(job.lease):
            return job
        job = self._parsed(path)  # the last thing that its process did may have been to end it
        if job is None or job.ended:
            return job
        job.state, job.error = "failed", interrupted()
        job.expires = self.clock() + self.lifetime
        with contextlib.suppress(StorageFull):
            self.write(job)
        return job

    def _parsed(self, path: Path) -> Job | None:
        try:
            return Job.of(orjson.loads(path.read_bytes()))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError, KeyError) as error:
            log.warning("job_unreadable", job=path.stem, cause=repr(error)[:200])
            _remove(path)
            return None

    def _lives(self, lease: str) -> bool:
        """Whether the process of a lease still holds it."""
        if lease == self.lease:
            return True
        try:
            with (self.folder / LEASES / lease).open("rb") as file:
                return lock(file, wait=False) is False
        except FileNotFoundError:
            return False


def _write(path: Path, data: bytes) -> None:
    with whole_file(path, PRIVATE_FILE) as file:
        file.write(data)


def _remove(path: Path) -> bool:
    """Remove a job's file, and its result; whether there was one."""
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    finally:
        path.with_suffix(RESULT).unlink(missing_ok=True)
    return True


def _size(path: Path) -> int:
    """Bytes of a job's file and its result."""
    total = 0
    for part in (path, path.with_suffix(RESULT)):
        with contextlib.suppress(FileNotFoundError):
            total += part.stat().st_size
    return total


def interrupted() -> dict[str, object]:
    """The problem of a job whose process has ended."""
    return {
        "type": "urn:heedmap:problem:interrupted",
        "title": "Service Unavailable",
        "status": 503,
        "detail": INTERRUPTED,
    }


def no_job(identifier: str) -> NotFound:
    """What is said where an owner has no such job."""
    return NotFound(
        f"there is no job {identifier[:64]!r}; it may have expired or been deleted: GET /v1/jobs lists those there are",
        field="id",
    )
