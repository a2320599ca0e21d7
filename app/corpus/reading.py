"""The inputs of a corpus out of a file, a line at a time, or out of a folder, a file at a time; never all of them."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from heedmap.app.requests.inputs import check_input
from heedmap.app.service.corpus import Item, pieces
from heedmap.app.service.jobs.corpus import said
from heedmap.model.corpus.running import Passage
from heedmap.model.errors import InputError

LINE_BYTES = 4 << 20  # of one line: a long book; a file without line ends would be read whole
JSON_LINES = (".jsonl", ".ndjson")
INPUTS = ("inputs", "source")  # where a JSON line has its input: as requests name it, and as training files do
PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp")
RECORDINGS = (".wav", ".flac", ".ogg", ".mp3", ".m4a", ".opus")
TEXTS = (".txt",)


@dataclass(frozen=True)
class Source:
    """A corpus on disk.

    path: a file of lines, a file of JSON lines, or a folder of pictures, recordings or texts. longest: characters of a
    sequence, over which a text is cut. most: inputs that are read.
    """

    path: Path
    longest: int
    most: int | None = None

    def count(self) -> int:
        """How many inputs there are, each of which reads well.

        Raises:
            InputError: there is none, or one that does not; it says where.
        """
        found = sum(1 for _ in self._inputs())
        if not found:
            raise InputError(
                f"{self.path.name} {'is a folder without inputs' if self.path.is_dir() else 'has no lines'}"
            )
        return found

    def items(self) -> Iterator[Item]:
        """What is to be measured: the inputs, long texts in parts.

        Raises:
            InputError: an input does not read well; it says where.
        """
        for item in self._inputs():
            yield from pieces(item, self.longest)

    def _inputs(self) -> Iterator[Item]:
        found = self._files() if self.path.is_dir() else self._lines()
        return islice(found, self.most)

    def _lines(self) -> Iterator[Item]:
        name, index = self.path.name, 0
        as_json = self.path.suffix.lower() in JSON_LINES
        with self.path.open("rb") as file:
            number = 0
            while line := file.readline(LINE_BYTES + 1):
                number += 1
                if len(line) > LINE_BYTES:
                    raise InputError(f"{name}, line {number}: over {LINE_BYTES:,} bytes; break it into several")
                text = _decoded(line, f"{name}, line {number}").strip()
                if not text:
                    continue
                inputs, target = _parsed(text, f"{name}, line {number}") if as_json else (text, None)
                yield Item(inputs, Passage(0, index, said(inputs), line=number), target)
                index += 1

    def _files(self) -> Iterator[Item]:
        index = 0
        for path in sorted(self.path.iterdir()):
            suffix = path.suffix.lower()
            inputs: Any
            if suffix in PICTURES:
                inputs = {"image": path.read_bytes()}
            elif suffix in RECORDINGS:
                inputs = {"audio": path.read_bytes()}
            elif suffix in TEXTS:
                inputs = _decoded(path.read_bytes(), path.name).strip()
            else:
                continue
            if inputs:
                yield Item(inputs, Passage(0, index, said(inputs), name=path.name))
                index += 1


def _decoded(data: bytes, where: str) -> str:
    """Text, of UTF-8.

    Raises:
        InputError: it is something else.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{where}: not UTF-8 at byte {error.start}; a corpus is a text file") from None
    if "\0" in text:
        raise InputError(f"{where}: a zero byte; a corpus is a text file")
    return text


def _parsed(text: str, where: str) -> tuple[Any, str | None]:
    """The input of a JSON line, and its target, where it has one.

    Raises:
        InputError: it is no such line.
    """
    try:
        row = json.loads(text)
    except (ValueError, RecursionError) as error:
        why = f"{error.msg} at column {error.colno}" if isinstance(error, json.JSONDecodeError) else "it is too deep"
        raise InputError(f"{where}: no JSON: {why}") from None
    name = next((name for name in INPUTS if isinstance(row, dict) and name in row), None)
    if name is None:
        raise InputError(f'{where}: expected an object with "inputs", and "target" where the output is given')
    target = row.get("target")
    if target is not None and not isinstance(target, str):
        raise InputError(f"{where}: target: expected text")
    inputs = row[name]
    try:
        checked = inputs if isinstance(inputs, str) else check_input(inputs, "")
    except InputError as error:
        raise InputError(f"{where}: {name}{f'.{error.field}' if error.field else ''}: {error}") from None
    if checked == "":
        raise InputError(f"{where}: {name}: an empty text")
    return checked, target
