"""How much a folder of traces holds, known to all processes that share it: one small file, changed under its lock."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from heedmap.model.whole_file import lock

NAME = ".account"
FILE_MODE, FOLDER_MODE = 0o600, 0o700  # of all that is kept of callers: nobody else on the machine reads it


@dataclass
class Totals:
    """Bytes and number of the traces, and when they were last counted (seconds; 0: never)."""

    bytes: int = 0
    traces: int = 0
    counted: float = 0.0


class Account:
    """The totals of one folder. A process that dies in the middle leaves them wrong until the next count."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME

    def totals(self) -> Totals:
        """As they were last written; waits for nobody."""
        try:
            return _read(self.path.read_bytes())
        except OSError:
            return Totals()

    @contextmanager
    def changing(self) -> Iterator[Totals]:
        """The totals, to be changed while no other process or thread changes them."""
        with open(self.path, "a+b", opener=private) as file:
            lock(file)
            file.seek(0)
            totals = _read(file.read())
            yield totals
            file.truncate(0)
            file.write(json.dumps(asdict(totals)).encode())


def private(path: str, flags: int) -> int:
    """An opener of files that nobody but their owner reads."""
    return os.open(path, flags, FILE_MODE)


def _read(data: bytes) -> Totals:
    try:
        return Totals(**json.loads(data))
    except (ValueError, TypeError):  # new, or cut short by a process that died: to be counted
        return Totals()
