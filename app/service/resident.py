"""Traces that are still where they were computed: in the accelerator's memory, readable at once, written out behind.

A trace is answered as soon as it can be read; its file is whole a moment later, `durable` then, and until then it
would be lost with the process. The memory is a budget: over it the least recently used goes, once its file is whole,
and is read from the file from then on. On the CPU nothing is resident: the file is the memory.
"""

import threading
from collections import OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass

import structlog
import torch

from heedmap.app.errors import NotFound, ServiceError
from heedmap.app.service.store import TraceStore
from heedmap.app.service.stored_trace import StoredTrace
from heedmap.app.service.trace_files import Key
from heedmap.model.trace.trace import Trace

SHARE = 4  # of the free memory a quarter: activations of the next forward passes need the rest
SECONDS = 60.0  # for which whoever waits for a trace's file waits at most; a gigabyte takes two

log = structlog.get_logger("heedmap")


@dataclass(eq=False)
class _Resident:
    held: StoredTrace
    written: "Future[None]"


class Residents:
    """The resident traces of all owners; for many threads.

    Args:
        store: where they are written.
        budget: bytes of tensors; None is a part of what is free when the first comes.
    """

    def __init__(self, store: TraceStore, budget: int | None = None) -> None:
        self.store, self.budget = store, budget
        self._kept: OrderedDict[Key, _Resident] = OrderedDict()  # least recently used first
        self._lock = threading.Lock()
        self._writer = ThreadPoolExecutor(1, "heedmap-spilling")

    @property
    def bytes(self) -> int:
        """What the resident traces take."""
        with self._lock:
            return sum(entry.held.nbytes for entry in self._kept.values())

    def takes(self, trace: Trace) -> bool:
        """Whether a trace may stay where it is: on an accelerator, and within the budget by itself."""
        return is_resident(trace) and trace.nbytes <= self._limit(trace)

    def keep(self, owner: str, identifier: str, model: str, trace: Trace) -> StoredTrace:
        """Let a trace stay, and begin to write it; over the budget the least recently used goes."""
        key, now = (owner, identifier), self.store.clock()
        held = StoredTrace(
            identifier, model, trace, trace.nbytes, now, now + self.store.lifetime, trace.nbytes, durable=False
        )
        context = copy_context()
        entry = _Resident(held, self._writer.submit(context.run, self._write, owner, held))
        with self._lock:
            self._kept[key] = entry
            self._kept.move_to_end(key)
        self._fit(key)
        return held

    def get(self, owner: str, identifier: str) -> StoredTrace | None:
        """A trace that is resident.

        Raises:
            NotFound: its file was deleted since.
        """
        key = owner, identifier
        with self._lock:
            entry = self._kept.get(key)
            if entry is None:
                return None
            self._kept.move_to_end(key)
        if entry.held.durable:
            try:
                self.store.peek(owner, identifier)  # which marks it as used
            except NotFound:
                self._drop(key, entry)
                raise
        return entry.held

    def settle(self, owner: str, identifier: str) -> None:
        """Wait until a trace's file is whole, if it is being written.

        Raises:
            StorageFull, StoreUnavailable: it cannot be written.
        """
        with self._lock:
            entry = self._kept.get((owner, identifier))
        if entry is not None:
            entry.written.result(SECONDS)

    def forget(self, owner: str, identifier: str) -> None:
        """Let go of a trace that is to be deleted, once its file is whole."""
        key = owner, identifier
        with self._lock:
            entry = self._kept.get(key)
        if entry is not None:
            with suppress(Exception):
                entry.written.result(SECONDS)
            self._drop(key, entry)

    def release(self) -> int:
        """Let go of all, once their files are whole, since memory ran out; returns the bytes."""
        freed = 0
        with self._lock:
            entries = list(self._kept.items())
        for key, entry in entries:
            with suppress(Exception):
                entry.written.result(SECONDS)
            self._drop(key, entry)
            freed += entry.held.nbytes
        if freed and torch.cuda.is_available():
            torch.cuda.empty_cache()
        return freed

    def close(self) -> None:
        """Wait until all files are whole."""
        self._writer.shutdown(wait=True)

    def _write(self, owner: str, held: StoredTrace) -> None:
        try:
            stored = self.store.put(owner, held.id, held.model, held.trace, held.created)
        except ServiceError as error:
            log.warning("trace_not_written", trace=held.id, cause=str(error))
            raise
        held.size, held.expires, held.durable = stored.size, stored.expires, True

    def _fit(self, newest: Key) -> None:
        while True:
            with self._lock:
                total = sum(entry.held.nbytes for entry in self._kept.values())
                if total <= self._limit(self._kept[newest].held.trace) or len(self._kept) == 1:
                    return
                key, entry = next(item for item in self._kept.items() if item[0] != newest)
            with suppress(Exception):  # one that cannot be written goes all the same: its caller was told
                entry.written.result(SECONDS)
            self._drop(key, entry)

    def _drop(self, key: Key, entry: _Resident) -> None:
        with self._lock:
            if self._kept.get(key) is entry:
                del self._kept[key]

    def _limit(self, trace: Trace) -> int:
        if self.budget is None:
            free, _ = torch.cuda.mem_get_info(_device(trace))
            self.budget = free // SHARE
        return self.budget


def is_resident(trace: Trace) -> bool:
    """Whether a trace's tensors are in an accelerator's memory, of which there is one."""
    devices = {layer.q.device for layers in trace.layers.values() for layer in layers}
    return len(devices) == 1 and devices.pop().type == "cuda"


def _device(trace: Trace) -> torch.device:
    return next(iter(trace.layers.values()))[0].q.device
