"""Reading a safetensors file through one handle, checked against its own digest, and safe from whoever changes it.

The library maps the file when it is opened: if somebody then truncates it in place, the next look at a tensor kills the
process (SIGBUS). Here a file is read into memory unless it is large; a large one is mapped, and tells whether it is
still as it was. Everything comes from the handle that was opened first, whatever takes the file's place meanwhile.
"""

import hashlib
import json
import math
import mmap
import os
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from heedmap.model.errors import TraceError
from heedmap.model.trace.tensor_file import BLANK, DIGEST, DIGEST_AT, KINDS, OPENING

HEADER_BYTES = 100_000_000  # the library's bound too: a longer header is garbage
IN_MEMORY = 256 << 20  # bytes: read in a tenth of a second; what is larger is mapped, so that memory holds many of them
CHUNK = 8 << 20  # bytes of one read, which take some 10 ms to hash: nobody who shares the thread waits longer
DTYPES = {name: dtype for dtype, name in KINDS.items()}
FEWEST = 2  # bytes of a header: {}
MOST_AXES = 8  # of a tensor: twice what any of ours has
FLAGS = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)  # a pipe is no file, and not waited for


class TensorFile:
    """An opened safetensors file. Nothing of it is trusted: what cannot be is a `TraceError`, whatever its bytes are.

    Args:
        path: of the file; messages name it without its folder.

    Raises:
        TraceError: it is missing, truncated or no safetensors file.
    """

    def __init__(self, path: Path) -> None:
        self.name = path.name
        try:
            self._fd = os.open(path, FLAGS)
        except (OSError, ValueError) as error:
            raise TraceError(f"{self.name} is not a readable trace: {_reason(error)}") from error
        self._close = weakref.finalize(self, os.close, self._fd)
        try:
            self._file = open(self._fd, "rb", buffering=0, closefd=False)  # noqa: SIM115  # closed by its number
            self.stat = os.fstat(self._fd)
            self.mapped = self.stat.st_size > IN_MEMORY
            self._head = self._read_head()
            self.metadata, self._places = self._parse()
        except OSError as error:
            raise TraceError(f"{self.name} is not a readable trace: {_reason(error)}") from error

    @property
    def nbytes(self) -> int:
        """The size of the whole file."""
        return self.stat.st_size

    def tensors(self, verify: bool = True) -> dict[str, Tensor]:
        """All tensors by their names; see `load`."""
        for tensors in self.load(verify):
            if tensors is not None:
                return tensors
        raise AssertionError("load ends with the tensors")

    def load(self, verify: bool = True) -> Iterator[dict[str, Tensor] | None]:
        """All tensors by their names, at the end; None before it, after every few megabytes: others may have a turn.

        Once for each opening. verify: check the digest, where the file has one.

        Raises:
            TraceError: the file is not what its digest says, or was changed while it was read.
        """
        assert self._close.alive, "what is in memory has been handed out"
        start, verify = len(self._head), verify and DIGEST in self.metadata
        buffer: bytearray | mmap.mmap = bytearray(0 if self.mapped else self.nbytes - start)
        if verify or not self.mapped:
            digest = hashlib.sha256(self._head[:DIGEST_AT] + BLANK + self._head[DIGEST_AT + len(BLANK) :])
            scratch = memoryview(bytearray(CHUNK) if self.mapped else buffer)
            for place in range(start, self.nbytes, CHUNK):
                length = min(CHUNK, self.nbytes - place)
                chunk = scratch[:length] if self.mapped else scratch[place - start : place - start + length]
                self._read_into(chunk, place)
                if verify:
                    digest.update(chunk)
                yield None
            if verify:
                self._verify(digest.hexdigest())
        if self.mapped:
            try:
                buffer = mmap.mmap(self._fd, self.nbytes, access=mmap.ACCESS_COPY)
            except (OSError, ValueError) as error:
                raise TraceError(f"{self.name} cannot be mapped: {_reason(error)}") from error
        tensors = {name: self._tensor(name, buffer, start if self.mapped else 0) for name in self._places}
        self.check()
        if not self.mapped:
            self._close()
        yield tensors

    def check(self) -> None:
        """Make sure that a file that is mapped is still as it was opened: touching what was cut off would be the end.

        Raises:
            TraceError: it was changed in place.
        """
        if not self._close.alive:  # in memory
            return
        now = os.fstat(self._fd)
        if (now.st_size, now.st_mtime_ns) != (self.stat.st_size, self.stat.st_mtime_ns):
            raise TraceError(f"{self.name} was changed while it was open: it is no longer the trace that was written")

    def _read_head(self) -> bytes:
        """The header with the eight bytes before it."""
        size = self._read(0, min(8, self.nbytes))
        length = int.from_bytes(size, "little")
        if len(size) < 8 or not FEWEST <= length <= min(HEADER_BYTES, self.nbytes - 8):
            raise self._damaged(f"its header cannot be {length:,} bytes long in a file of {self.nbytes:,}")
        return size + self._read(8, length)

    def _parse(self) -> tuple[dict[str, str], dict[str, tuple[torch.dtype, list[int], int, int]]]:
        """The metadata, and each tensor's kind, shape, start and stop."""
        try:
            header = json.loads(self._head[8:].decode(), object_pairs_hook=_unique)
            metadata = header.pop("__metadata__", None) or {}
            if not all(isinstance(value, str) for value in metadata.values()):
                raise TypeError("metadata holds texts alone")
            places, end = {}, 0
            for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
                dtype, shape, (start, stop) = DTYPES[entry["dtype"]], entry["shape"], entry["data_offsets"]
                if any(type(length) is not int or length < 0 for length in (*shape, start, stop)):
                    raise ValueError(f"{name} has a shape or place that is no number")
                if len(shape) > MOST_AXES:
                    raise ValueError(f"{name} has {len(shape)} axes")
                if start != end or stop - start != math.prod(shape) * dtype.itemsize:
                    raise ValueError(f"{name} does not take the bytes of its shape, after the tensor before it")
                places[name], end = (dtype, shape, start, stop), stop
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise self._damaged(f"its header does not read: {_reason(error)}") from error
        if end != self.nbytes - len(self._head):
            raise self._damaged(f"its tensors take {end:,} bytes, and {self.nbytes - len(self._head):,} are there")
        return metadata, places

    def _tensor(self, name: str, buffer: bytearray | mmap.mmap, offset: int) -> Tensor:
        dtype, shape, start, stop = self._places[name]
        try:
            if start == stop:
                return torch.empty(shape, dtype=dtype)
            flat = torch.frombuffer(buffer, dtype=torch.uint8, count=stop - start, offset=offset + start)
            return flat.view(dtype).view(shape)
        except (RuntimeError, OverflowError, TypeError) as error:
            raise self._damaged(f"{name[:100]} cannot have its shape") from error

    def _verify(self, digest: str) -> None:
        """Compare with the digest that the file has."""
        written = self._head[DIGEST_AT : DIGEST_AT + len(BLANK)].decode("ascii", "replace")
        if self._head[8:DIGEST_AT] != OPENING or written != digest:
            raise self._damaged(f"its digest is {digest[:16]}…, and {self.metadata[DIGEST][:16]}… was written")

    def _read(self, place: int, length: int) -> bytes:
        data = bytearray(length)
        self._read_into(memoryview(data), place)
        return bytes(data)

    def _read_into(self, chunk: memoryview, place: int) -> None:
        done = 0
        while done < len(chunk):
            try:
                self._file.seek(place + done)
                part = self._file.readinto(chunk[done:])
            except OSError as error:
                raise TraceError(f"{self.name} is not a readable trace: {_reason(error)}") from error
            if not part:
                raise self._damaged("it ends too early")
            done += part

    def _damaged(self, why: str) -> TraceError:
        return TraceError(f"{self.name} is not a readable trace, it may be truncated or changed: {why}")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object whose names are all different: readers do not agree which of two goes first."""
    content = dict(pairs)
    if len(content) < len(pairs):
        raise ValueError("a name stands there twice")
    return content


def _reason(error: Exception) -> str:
    """Why, without the folder: an OSError's own text names it."""
    return (error.strerror or "it cannot be read") if isinstance(error, OSError) else repr(error)[:200]
