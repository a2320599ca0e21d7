"""`heedmap align`: files of sentence pairs to lines of word links."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from heedmap.app.options import Device, place
from heedmap.model.errors import HeedmapError


class Symmetrise(StrEnum):
    """How the links of both directions are joined."""

    intersection = "intersection"
    union = "union"
    grow_diag_final = "grow-diag-final"


class Row(StrEnum):
    """Which row of a target token is read: that which writes it, or that which reads it as the next input."""

    output = "output"
    input = "input"


def align(
    file: Annotated[Path, typer.Argument(help="Lines of source and target with a tab or ||| between; - reads stdin.")],
    target: Annotated[Path | None, typer.Argument(help="The targets, where FILE holds the sources alone.")] = None,
    model: Annotated[
        str | None,
        typer.Option(help="A served or shipped model's name, a checkpoint folder, or a hub id. [default: de-en]"),
    ] = None,
    url: Annotated[str | None, typer.Option(help="Ask the service there instead of loading the model here.")] = None,
    api_key: Annotated[str | None, typer.Option(envvar="HEEDMAP_API_KEY", help="For a service that wants one.")] = None,
    symmetrise: Annotated[Symmetrise | None, typer.Option(help="Join the links of both directions.")] = None,
    reverse: Annotated[str | None, typer.Option(help="The model that translates back, for --symmetrise.")] = None,
    reading: Annotated[Row | None, typer.Option(help="The row of a token. [default: as taught, or output]")] = None,
    layer: Annotated[int | None, typer.Option(help="Of the cross site. [default: the taught head's, or all]")] = None,
    head: Annotated[str | None, typer.Option(help="A number, or mean. [default: the one taught, or mean]")] = None,
    device: Annotated[Device, typer.Option(help="Where to run; auto takes CUDA where there is one.")] = Device.auto,
) -> None:
    """Print the links between the words of sentence pairs, a line each, in Pharaoh's format: 0-0 1-2, source first.

    A line that cannot be aligned is printed empty, and named on stderr; the status is 1 then.
    """
    from rich.console import Console
    from rich.progress import Progress

    from heedmap.app.client.word_alignment import aligned_lines, here, read_pairs, there

    stdin = str(file) == "-"
    pairs = list(read_pairs([sys.stdin if stdin else file, *([] if target is None else [target])]))
    options = {
        "symmetrise": None if symmetrise is None else symmetrise.value,
        "reverse": reverse,
        "reading": None if reading is None else reading.value,
        "layer": layer,
        "head": _head(head),
    }
    if url is not None:
        aligner = there(url, api_key, model, **options)
    else:
        aligner = here(model or "de-en", place(device), **options)  # type: ignore[arg-type]  # typer checked them
    failed = 0
    with Progress(console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("aligning", total=len(pairs))
        for number, line in enumerate(aligned_lines(pairs, aligner), 1):
            if isinstance(line, Exception):
                failed += 1
                typer.echo(f"line {number}: {line}", err=True)
            sys.stdout.write(("" if isinstance(line, Exception) else line) + "\n")
            progress.advance(bar)
    if failed:
        raise HeedmapError(f"{failed} of {len(pairs)} pairs could not be aligned; their lines are empty")


def _head(text: str | None) -> int | str | None:
    if text is None or text == "mean":
        return text
    try:
        return int(text)
    except ValueError:
        raise typer.BadParameter("expected a number or mean", param_hint="--head") from None
