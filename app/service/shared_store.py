"""Traces in an object store, for many hosts; the folder of each host is its cache.

A trace is written to the folder, then put into the store, and only then answered. What a host does not have it fetches,
checks against its digest, and keeps like its own; that a trace is still in the store is asked again after a few
seconds, so what one host forgets is soon forgotten by all. Where the store does not answer, what is in the folder is
served, and what could not be put stays there, is never evicted, and is put by the next sweep or the next same request.

An object's date says when it was last used, to half a lifetime: a host that uses it then puts it again. What is older
than the lifetime is deleted by sweeps; a rule of the bucket may do that as well. What is worked out of a trace stays
with the host.
"""

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import structlog

from heedmap.app.errors import NotFound, StorageFull, StoreUnavailable
from heedmap.app.service.objects import Objects
from heedmap.app.service.store import TraceStore, no_trace
from heedmap.app.service.stored_trace import StoredTrace
from heedmap.app.service.trace_files import ID, PRIVATE_FILE, PRIVATE_FOLDER, SUFFIX, Key
from heedmap.model.errors import HeedmapError, TraceError
from heedmap.model.trace.tensor_reader import TensorFile
from heedmap.model.trace.trace import Trace
from heedmap.model.whole_file import FULL, whole_file

UNSENT = ".unsent"  # beside a trace that is not in the object store yet
CONFIRM_SECONDS = 5.0  # a trace that another host has deleted is shown no longer
CONFIRMED = 100_000  # traces of which is remembered when they were confirmed: 20 MB
OBJECTS_SECONDS = 6 * 3600.0  # between two looks at all objects, a request for each thousand of them

log = structlog.get_logger("heedmap")


class SharedTraces(TraceStore):
    """The traces of an object store, with a folder as their cache; arguments are those of `TraceStore` but for it.

    Args:
        objects: the store.
    """

    remote = True

    def __init__(self, folder: Path, objects: Objects, **limits: Any) -> None:
        super().__init__(folder, **limits)
        self.objects = objects
        self._confirmed: dict[Key, float] = {}
        self._looked = -OBJECTS_SECONDS

    def open(self) -> None:
        """Make the folder, and look whether the object store answers.

        Raises:
            HeedmapError: it does not, or nothing can be written to the folder.
        """
        try:
            self.objects.check()
        except StoreUnavailable as error:
            raise HeedmapError(
                "the object store of the traces does not answer: check its address, the region and the credentials in "
                "the environment; the log has the cause",
                field="traces",
            ) from error
        super().open()

    def put(self, owner: str, identifier: str, model: str, trace: Trace, created: float | None = None) -> StoredTrace:
        """Write a trace to the folder and put it into the store; an equal one that is there already goes first.

        Raises:
            StorageFull: there is no room on the disk. StoreUnavailable: it is in the folder alone, for now.
        """
        key = owner, identifier
        marker = self._path(key).with_suffix(UNSENT)
        marker.parent.mkdir(PRIVATE_FOLDER, parents=True, exist_ok=True)
        marker.touch(PRIVATE_FILE)
        held = super().put(owner, identifier, model, trace, created)
        self.settle(owner, identifier)
        self._remember(key)
        with contextlib.suppress(NotFound, TraceError):
            return super().get(owner, identifier)  # perhaps that of another host, which was first
        return held

    def get(self, owner: str, identifier: str) -> StoredTrace:
        """Open a trace, from memory, from the folder or from the store.

        Raises:
            NotFound: this owner has no such trace. TraceError: it is damaged. StoreUnavailable: nobody knows.
        """
        if not self._is_confirmed((owner, identifier)):
            self.confirm(owner, identifier)
        return super().get(owner, identifier)

    def peek(self, owner: str, identifier: str) -> StoredTrace | None:
        """A trace that is in memory, in the folder, and was in the store a few seconds ago; waits for no network.

        Raises:
            NotFound: this owner has no such trace here.
        """
        return super().peek(owner, identifier) if self._is_confirmed((owner, identifier)) else None

    def opening(self, owner: str, identifier: str) -> Iterator[StoredTrace | None]:
        """As `TraceStore.opening`; a copy that was damaged here is fetched again."""
        try:
            yield from super().opening(owner, identifier)
        except TraceError:
            if self._unsent((owner, identifier)):
                raise
            self._fetch((owner, identifier))
            yield from super().opening(owner, identifier)

    def confirm(self, owner: str, identifier: str) -> None:
        """Look whether a trace is in the store, and fetch it where it is not here.

        Raises:
            NotFound: it is in neither. TraceError: it is damaged there. StoreUnavailable: nobody knows.
        """
        key = owner, identifier
        path = self._path(key)
        try:
            age = self.clock() - self.objects.changed(_name(key))
        except FileNotFoundError:
            if not (path.exists() and self._unsent(key)):
                self._drop(key)
                raise no_trace(identifier) from None
        except StoreUnavailable:
            if not path.exists():
                raise
        else:
            if age > self.lifetime:
                self.objects.delete(_name(key))
                self._drop(key)
                raise no_trace(identifier)
            if not path.exists():
                self._fetch(key)
            elif age > self.lifetime / 2:
                self.objects.put(_name(key), path, overwrite=True)
        self._remember(key)

    def settle(self, owner: str, identifier: str) -> None:
        """Put a trace into the store that could not be put before.

        Raises:
            StoreUnavailable: it still cannot.
        """
        key = owner, identifier
        if not self._unsent(key):
            return
        path = self._path(key)
        try:
            self.objects.put(_name(key), path)
        except FileExistsError:
            try:
                self._fetch(key)
            except TraceError:  # what is there is damaged
                self.objects.put(_name(key), path, overwrite=True)
        except FileNotFoundError:  # deleted meanwhile
            pass
        path.with_suffix(UNSENT).unlink(missing_ok=True)

    def delete(self, owner: str, identifier: str) -> None:
        """Forget a trace, everywhere.

        Raises:
            NotFound: this owner has no such trace. StoreUnavailable: it is still there.
        """
        key = owner, identifier
        self._path(key)
        there = self.objects.delete(_name(key))
        if not (self._drop(key) or there):
            raise no_trace(identifier)

    def sweep(self) -> None:
        """As `TraceStore.sweep`; put what could not be put, and now and then delete what expired in the store."""
        super().sweep()
        try:
            for marker in self.folder.glob(f"*/*{UNSENT}"):
                if marker.with_suffix(SUFFIX).exists():
                    self.settle(marker.parent.name, marker.stem)
                else:
                    marker.unlink(missing_ok=True)
            if time.monotonic() - self._looked > OBJECTS_SECONDS:
                self._looked = time.monotonic()
                for name in list(self.objects.older(self.clock() - self.lifetime)):
                    if ID.fullmatch(Path(name).stem) and name.endswith(SUFFIX):
                        self.objects.delete(name)
        except StoreUnavailable:  # the log has the cause, and the next sweep tries again
            return

    def _evictable(self, key: Key) -> bool:
        return not self._unsent(key)

    def _unsent(self, key: Key) -> bool:
        return self._path(key).with_suffix(UNSENT).exists()

    def _is_confirmed(self, key: Key) -> bool:
        return time.monotonic() - self._confirmed.get(key, -CONFIRM_SECONDS) < CONFIRM_SECONDS

    def _remember(self, key: Key) -> None:
        if len(self._confirmed) >= CONFIRMED:
            self._confirmed.clear()
        self._confirmed[key] = time.monotonic()

    def _drop(self, key: Key) -> bool:
        """Remove what is here of a trace; whether there was something."""
        self._confirmed.pop(key, None)
        with self.account.changing() as totals:
            removed = self._remove(key, totals)
        self._path(key).with_suffix(UNSENT).unlink(missing_ok=True)
        return removed

    def _fetch(self, key: Key) -> None:
        """Bring a trace from the store into the folder, whole and checked."""
        path = self._path(key)
        for last in (False, True):
            try:
                path.parent.mkdir(PRIVATE_FOLDER, parents=True, exist_ok=True)
                with whole_file(path, PRIVATE_FILE) as file:
                    self.objects.fetch(_name(key), file)
                    file.flush()
                    fetched = TensorFile(Path(file.name))
                    if fetched.metadata.get("id") != key[1]:
                        raise TraceError(f"{path.name} is the trace of another id in the store")
                    for _ in Trace.loading(fetched):
                        pass
                    os.utime(file.fileno(), (self.clock(), _date(fetched)))
                    with self.account.changing() as totals:
                        if path.exists():
                            totals.bytes -= path.stat().st_size
                            totals.traces -= 1
                        totals.bytes += fetched.nbytes
                        totals.traces += 1
                break
            except FileNotFoundError:
                raise no_trace(key[1]) from None
            except OSError as error:
                if error.errno not in FULL:
                    raise
                if last or not self._count(None, 1):
                    raise StorageFull("there is no room for a trace that another host made") from error
        self._held.forget(key)
        self._keep_within(key)


def _name(key: Key) -> str:
    return f"{key[0]}/{key[1]}{SUFFIX}"


def _date(file: TensorFile) -> float:
    """When the trace was made, on whichever host: all of them give its maps the same ETags."""
    try:
        return float(file.metadata["created"])
    except (KeyError, ValueError) as error:
        raise TraceError(f"{file.name} does not say when it was made") from error
