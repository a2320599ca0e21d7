"""`heedmap corpus`: every head of a model over a file of inputs: its statistics, kinds and top sequences."""

import json
import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from heedmap.app.options import Device, place
from heedmap.model.errors import Cancelled, InputError

if TYPE_CHECKING:
    from rich.console import Console

    from heedmap.app.corpus.reading import Source
    from heedmap.model.watch import Stop

LONGEST = 4_000  # characters of a sequence: a page, a thousand tokens of most models; what is longer is cut
TOGETHER = 32  # sequences in one batch: a corpus waits for nobody, and a few seconds are soon enough to stop in
REFUSED = 100  # inputs that could not be used and are named; of more there is the count
WIDE = 140  # columns of the table, also where nobody looks: in a narrower terminal its lines go on
STOPPED = 130  # the exit status of what SIGINT ended
SHOWN = ("entropy", "distance", "sink", "diagonal", "max", "previous", "duplicate", "induction", "copying", "alignment")


def corpus(
    model: Annotated[str, typer.Argument(help="A shipped model's name, a checkpoint folder, or a hub id.")],
    file: Annotated[
        Path,
        typer.Argument(
            exists=True,
            help='Texts, a line each; .jsonl: {"inputs": ..., "target": ...}; or a folder of media or .txt.',
        ),
    ],
    most: Annotated[int | None, typer.Option(min=1, help="Inputs that are read. [default: all]")] = None,
    longest: Annotated[int, typer.Option(min=32, help="Characters of a sequence: longer texts are cut.")] = LONGEST,
    max_new_tokens: Annotated[
        int | None,
        typer.Option(min=1, help="The longest output, in tokens. [default: the model's; 1 where it continues a text]"),
    ] = None,
    together: Annotated[int, typer.Option(min=1, max=64, help="Sequences in one batch.")] = TOGETHER,
    report: Annotated[Path | None, typer.Option(dir_okay=False, help="Also a report: one page, no network.")] = None,
    device: Annotated[Device, typer.Option(help="Where to run; auto takes CUDA where there is one.")] = Device.auto,
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole result as JSON.")] = False,
) -> None:
    """Print every head's statistics over a file of inputs, and what kinds of heads there are.

    Texts that are longer than the model reads are cut. Nothing but statistics is kept, however long the file. Ctrl-C
    ends it with what was measured until then; twice ends it at once.
    """
    from heedmap.app.corpus.reading import Source

    if report is not None and not report.absolute().parent.is_dir():
        raise InputError(f"there is no folder {report.absolute().parent} to write {report.name} into")
    parameters = {} if max_new_tokens is None else {"max_new_tokens": max_new_tokens}
    result = here(model, Source(file, longest, most), parameters, place(device), together)
    if report is not None:
        _write_report(report, result, file.name)
    if as_json:
        from heedmap.app.render.wire import to_json

        sys.stdout.write(to_json(result).decode() + "\n")
    else:
        from rich.console import Console

        console = Console()
        console.width = max(console.width, WIDE)
        print_heads(console, result)
    if result["interrupted"]:
        raise typer.Exit(STOPPED)


def here(
    model: str, source: "Source", parameters: Mapping[str, Any], device: str, together: int, stop: "Stop | None" = None
) -> dict[str, Any]:
    """The result, by a model loaded in this process.

    Args:
        stop: ends it with what there is; by default SIGINT does.

    Raises:
        CheckpointError: there is no such model. InputError: an input does not read well, or none can be used.
    """
    from heedmap.app.client.alignment import source_of
    from heedmap.app.service import corpus as steps
    from heedmap.app.service.jobs.kind import Work
    from heedmap.model.contract import Parameters
    from heedmap.model.corpus.heads import Heads
    from heedmap.model.errors import HeedmapError
    from heedmap.model.load import load

    total = source.count()
    served = load(source_of(model), device)
    work, heads = Work(Path(model).name, served, served.describe()), Heads()
    if served.task == "text-generation":
        parameters = {"max_new_tokens": 1, **parameters}
    refused: list[dict[str, Any]] = []
    failed, interrupted, began = 0, False, time.monotonic()

    def told(item: steps.Item, outcome: steps.Outcome) -> None:
        nonlocal failed
        if isinstance(outcome, HeedmapError):
            failed += 1
            if len(refused) < REFUSED:
                refused.append({**steps.described(item.passage), "detail": str(outcome)})

    with _stopping(stop) as work.step, _bar(total) as tell:
        try:
            for done in steps.measured(work, source.items(), Parameters(**parameters), heads, told, together):
                tell(done, heads)
                if work.stop():
                    raise Cancelled("stopped")
        except Cancelled:
            interrupted = True
    if not heads.sequences and not interrupted:
        raise InputError(f"none of {total:,} inputs can be used; the first: {refused[0]['detail']}")
    seconds = time.monotonic() - began
    return {
        "model": work.name,
        "file": source.path.name,
        "inputs": total,
        "interrupted": interrupted,
        "seconds": round(seconds, 3),
        **steps.summary(heads),
        "refused": {"count": failed, "first": refused},
    }


@contextmanager
def _stopping(stop: "Stop | None") -> "Iterator[Stop]":
    """What becomes true at the first SIGINT; the second one does what it always does."""
    if stop is not None:
        yield stop
        return
    pressed = False

    def press(number: int, frame: object) -> None:
        nonlocal pressed
        pressed = True
        signal.signal(signal.SIGINT, before)
        sys.stderr.write("\nheedmap: stopping; what was measured until now follows\n")

    before = signal.signal(signal.SIGINT, press)
    try:
        yield lambda: pressed
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _bar(total: int) -> Iterator[Any]:
    """A progress bar on stderr, and what moves it: inputs done, tokens so far."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("reading", total=total)

        def tell(done: int, heads: Any) -> None:
            progress.update(task, completed=done, description=f"{heads.tokens:,} tokens")

        yield tell


def print_heads(console: "Console", result: Mapping[str, Any]) -> None:
    """Print a row a head, kinds last, then what could not be used."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    names = [name for name in SHOWN if name in result["metrics"]]
    sequences, tokens = result["recorded"], result["tokens"]
    table = Table(
        title=f"{result['model']}: {sequences:,} sequences, {tokens:,} tokens", title_justify="left", box=SIMPLE_HEAD
    )
    for name in ("head", *names, "kinds"):
        table.add_column(name, justify="left" if name in ("head", "kinds") else "right", no_wrap=True)
    for row in result["heads"]:
        cells = ("" if row.get(name) is None else f"{float(row[name]):.3f}" for name in names)
        table.add_row(f"{row['site']} {row['layer']}.{row['head']}", *cells, ", ".join(row["kinds"]))
    console.print(table)
    seconds = result["seconds"]
    rate = f", {1000 * seconds / tokens:.2f} s a thousand tokens" if tokens else ""
    console.print(f"{seconds:.1f} s{rate}", markup=False, highlight=False)
    if (refused := result["refused"])["count"]:
        console.print(f"{refused['count']:,} could not be used:", style="red")
        for each in refused["first"][:5]:
            where = f"line {each['line']}" if "line" in each else each.get("name", "")
            console.print(f"  {where}: {each['detail']}", markup=False, style="red")


def _write_report(path: Path, result: Mapping[str, Any], file: str) -> None:
    from heedmap.app.render.corpus_report import corpus_report
    from heedmap.app.render.wire import to_json

    facts = {
        "corpus": file,
        "made": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "by": f"heedmap {version('heedmap')}",
    }
    aside = path.with_name(path.name + ".partial")
    try:
        aside.write_bytes(corpus_report(json.loads(to_json(result)), facts))
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)
