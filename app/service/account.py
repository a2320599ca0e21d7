"""How much a folder of traces holds, known to all processes that share it: one small file, changed under its lock."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from heedmap.app.service.trace_files import PRIVATE_FILE
from heedmap.model.whole_file import FULL, lock

NAME = ".account"
LENGTH = 120  # bytes of the file: three numbers of any size with their names


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
        """The totals, to be changed while no other process or thread changes them.

        They are written over in place, always as many bytes: that works on a full disk too, and a process that is
        killed leaves the old ones or the new ones.
        """
        file = os.fdopen(os.open(self.path, os.O_RDWR | os.O_CREAT, PRIVATE_FILE), "r+b", buffering=0)
        with file:
            lock(file)
            totals = _read(file.read())
            yield totals
            file.seek(0)
            try:
                file.write(json.dumps(asdict(totals)).encode().ljust(LENGTH))
            except OSError as error:  # not even so much room in a folder that has just been made
                if error.errno not in FULL:
                    raise


def _read(data: bytes) -> Totals:
    try:
        return Totals(**json.loads(data))
    except (ValueError, TypeError):  # new, or of an earlier release that died while it wrote: to be counted
        return Totals()
