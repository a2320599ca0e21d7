"""Files of sentence pairs, aligned by a model loaded here or by a service: what `heedmap align` runs."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from heedmap.app.client.alignment import source_of
from heedmap.model.contract import Request
from heedmap.model.errors import InputError
from heedmap.model.measures.word_alignment import Symmetrisation
from heedmap.model.taught_head import Reading

BATCH = 64  # pairs aligned together: as many as a service takes at once without a special setting
SEPARATORS = ("\t", " ||| ")  # of source and target in one line: ours, and that of other aligners

Pairs = Sequence[tuple[str, str]]
Lines = list[str | Exception]
Aligner = Callable[[Pairs], Lines]


def read_pairs(files: Sequence[Path | Iterable[str]]) -> Iterator[tuple[str, str]]:
    """Pairs from one file with source and target in a line, or from two with as many lines.

    Raises:
        InputError: a line without a separator, two files of unequal length, or no UTF-8.
    """
    first, *rest = (_lines(file) for file in files)
    if not rest:
        for number, line in enumerate(first, 1):
            separator = next((mark for mark in SEPARATORS if mark in line), None)
            if separator is None:
                raise InputError(f"line {number}: expected source and target with a tab or ||| between, or two files")
            source, target = line.split(separator)[:2]
            yield source.strip(), target.strip()
        return
    try:
        for source, target in zip(first, rest[0], strict=True):
            yield source.strip(), target.strip()
    except ValueError:
        raise InputError("the two files have unequal numbers of lines: a line is a sentence in both") from None


def _lines(file: Path | Iterable[str]) -> Iterator[str]:
    if not isinstance(file, Path):
        yield from (line.rstrip("\n") for line in file)
        return
    try:
        with file.open(encoding="utf-8") as lines:
            yield from (line.rstrip("\n") for line in lines)
    except UnicodeDecodeError as error:
        raise InputError(f"{file.name} is not UTF-8: byte {error.start}") from error


def aligned_lines(pairs: Sequence[tuple[str, str]], aligner: Aligner) -> Iterator[str | Exception]:
    """A line in Pharaoh's format for each pair, or what was wrong with it; a pair with an empty side has no links."""
    for start in range(0, len(pairs), BATCH):
        batch = pairs[start : start + BATCH]
        full = [pair for pair in batch if all(pair)]
        lines = iter(aligner(full) if full else [])
        yield from (next(lines) if all(pair) else "" for pair in batch)


def here(
    model: str,
    device: str,
    *,
    reverse: str | None = None,
    symmetrise: Symmetrisation | None = None,
    reading: Reading | None = None,
    layer: int | None = None,
    head: int | str | None = None,
) -> Aligner:
    """An aligner in this process: models by a shipped name, a checkpoint folder or a hub id.

    Raises:
        CheckpointError: there is no such model. InputError: a direction is missing.
    """
    from heedmap.model.load import load
    from heedmap.model.measures.aligner import HeadChoice, align, together

    if (symmetrise is None) != (reverse is None):
        raise InputError("links are joined of two directions: give both --symmetrise and --reverse, or neither")
    forward = load(source_of(model), device)
    back = None if reverse is None else load(source_of(reverse), device)
    choice = HeadChoice(layer, head, reading)

    def run(served: Any, pairs: Pairs, chosen: Any) -> list[Any]:
        traces = served.trace([Request(source, target) for source, target in pairs])
        return [trace if isinstance(trace, Exception) else align(trace, chosen) for trace in traces]

    def aligner(pairs: Pairs) -> Lines:
        rows = run(forward, pairs, choice)
        if back is not None and symmetrise is not None:
            turned = [(target, source) for source, target in pairs]
            others = run(back, turned, HeadChoice(reading=reading))
            join = partial(together, how=symmetrise)
            rows = [_joined(one, other, join) for one, other in zip(rows, others, strict=True)]
        return [row if isinstance(row, Exception) else row.to_json()["pharaoh"] for row in rows]

    return aligner


def _joined(one: Any, other: Any, join: Callable[[Any, Any], Any]) -> Any:
    for row in (one, other):
        if isinstance(row, Exception):
            return row
    try:
        return join(one, other)
    except InputError as error:
        return error


def there(url: str, api_key: str | None, model: str | None, **options: Any) -> Aligner:
    """An aligner that asks a service.

    Raises (when it is asked):
        ClientError: the service did not answer, or answered with a problem.
    """
    from heedmap.app.client.api import Client

    def aligner(pairs: Pairs) -> Lines:
        with Client(url, api_key=api_key) as client:
            rows = client.align(pairs, model=model, **options)
        return [row if isinstance(row, Exception) else row.pharaoh for row in rows]

    return aligner
