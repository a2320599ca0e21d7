"""How much a folder of traces holds, known to all processes that share it: one small file, changed under its lock."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from heedmap.model.whole_file import lock

NAME = ".account"


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
        with self.path.open("a+b") as file:
            lock(file)
            file.seek(0)
            totals = _read(file.read())
            yield totals
            file.truncate(0)
            file.write(json.dumps(asdict(totals)).encode())


def _read(data: bytes) -> Totals:
    try:
        return Totals(**json.loads(data))
    except (ValueError, TypeError):  # new, or cut short by a process that died: to be counted
        return Totals()
