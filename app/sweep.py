"""`heedmap sweep`: every head silenced, one at a time, and what that does to the model's answer."""

import json
import sys
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from heedmap.app.options import Device
from heedmap.model.errors import InputError

if TYPE_CHECKING:
    from rich.console import Console

SHOWN = 10  # heads that are named, of those that matter most
Told = Callable[[int, int], object]


class How(StrEnum):
    """How a head is silenced."""

    zero = "zero"
    uniform = "uniform"


def sweep(
    text: Annotated[str | None, typer.Argument(help="The input; - reads inputs, a line each, from stdin.")] = None,
    file: Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="Inputs, a line each.")] = None,
    model: Annotated[
        str | None,
        typer.Option(help="A served or shipped model's name, a checkpoint folder, or a hub id. [default: de-en]"),
    ] = None,
    url: Annotated[str | None, typer.Option(help="Ask the service there instead of loading the model here.")] = None,
    api_key: Annotated[str | None, typer.Option(envvar="HEEDMAP_API_KEY", help="For a service that wants one.")] = None,
    objective: Annotated[
        str, typer.Option(help='As JSON: {"tokens": [0]}, {"label": "good"}, each with a "minus".')
    ] = '{"tokens": "all"}',
    how: Annotated[
        How, typer.Option(help="How each head is silenced: its output is 0, or sees all keys alike.")
    ] = How.zero,
    measured: Annotated[bool, typer.Option(help="Measure each head by a pass beside the estimate.")] = True,
    max_new_tokens: Annotated[int | None, typer.Option(min=1, help="The longest output, in tokens.")] = None,
    device: Annotated[Device, typer.Option(help="Where to run; auto takes CUDA where there is one.")] = Device.auto,
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole result as JSON.")] = False,
) -> None:
    """Print what silencing each head does to the objective, layer by layer, and the heads that matter most.

    An effect is the objective with the head silenced minus without, a mean over the inputs: negative where the head
    helps the answer.
    """
    from rich.console import Console
    from rich.progress import Progress

    parameters = {} if max_new_tokens is None else {"max_new_tokens": max_new_tokens}
    fields: dict[str, Any] = {
        "inputs": _inputs(text, file),
        "objective": _objective(objective),
        "how": how.value,
        "measured": measured,
        "parameters": parameters,
    }
    with Progress(console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("silencing heads", total=None)

        def told(done: int, of: int) -> None:
            progress.update(bar, completed=done, total=of or None)

        if url is not None:
            result = _there(url, api_key, model, fields, told)
        else:
            result = _here(model or "de-en", device, fields, told)
    if as_json:
        sys.stdout.write(json.dumps(result, ensure_ascii=False) + "\n")
        return
    print_sweep(Console(), result)


def print_sweep(console: "Console", result: Mapping[str, Any]) -> None:
    """Print a table of layers and heads for each site, then the heads that matter most."""
    from rich.table import Table

    measured = result["correlation"] is not None
    which = "measured" if measured else "estimated"
    for site in result["sites"]:
        grid = site[which]
        largest = max((abs(value) for row in grid for value in row if value is not None), default=0.0)
        table = Table(title=f"{site['name']}: {which} effect of silencing a head", title_justify="left")
        table.add_column("layer", justify="right")
        for head in range(site["heads"]):
            table.add_column(str(head), justify="right")
        for layer, row in enumerate(grid):
            table.add_row(str(layer), *(_cell(value, largest) for value in row))
        console.print(table)
    ranking = Table(title="heads that matter most", title_justify="left")
    for name in ("site", "layer", "head", "estimated", "measured"):
        ranking.add_column(name, justify="left" if name == "site" else "right")
    for row in result["ranking"][:SHOWN]:
        numbers = ("" if row[name] is None else f"{row[name]:+.4f}" for name in ("estimated", "measured"))
        ranking.add_row(row["site"], str(row["layer"]), str(row["head"]), *numbers)
    console.print(ranking)
    failed = [row for row in result["results"] if "error" in row]
    for row in failed:
        console.print(f"input {row['input']}: {row['error']['detail']}", markup=False, style="red")
    if measured:
        known = {name: value for name, value in result["correlation"].items() if value is not None}
        said = ", ".join(f"{name} {value:.3f}" for name, value in known.items() if name != "pairs")
        console.print(f"estimated against measured: {said or 'no correlation'} ({known['pairs']} pairs)", markup=False)


def _cell(value: float | None, largest: float) -> str:
    if value is None:
        return "?"
    strong = largest and abs(value) > largest / 2
    return f"[bold]{value:+.3f}[/bold]" if strong else f"{value:+.3f}"


def _inputs(text: str | None, file: Path | None) -> list[str]:
    """The inputs that the command line names."""
    if (text is None) == (file is None):
        raise InputError("give a text, or a file of texts with --file")
    if text is not None and text != "-":
        return [text]
    lines = sys.stdin.read() if file is None else file.read_text(encoding="utf-8")
    inputs = [line.strip() for line in lines.splitlines() if line.strip()]
    if not inputs:
        raise InputError("there is no text to read; give one a line")
    return inputs


def _objective(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        raise typer.BadParameter('expected JSON, such as {"tokens": "all"}', param_hint="--objective") from None


def _there(url: str, api_key: str | None, model: str | None, fields: Mapping[str, Any], told: Told) -> dict[str, Any]:
    """The result of a job of a service, which forgets it afterwards."""
    from heedmap.app.client.api import Client

    with Client(url, api_key=api_key) as client:
        job = client.job("sweep", model=model, **fields)
        try:
            done = client.wait(job, progress=lambda status: told(status.done, status.of))
        finally:
            client.cancel(job)
    return dict(done.result)


def _here(model: str, device: Device, fields: Mapping[str, Any], told: Told) -> dict[str, Any]:
    """The result of the same work in this process."""
    import torch
    from pydantic import ValidationError

    from heedmap.app.client.alignment import source_of
    from heedmap.app.render.wire import to_json
    from heedmap.app.service.jobs.kind import Work
    from heedmap.app.service.jobs.sweep import Sweep, SweepRequest
    from heedmap.model.load import load

    where = device.value
    if device is Device.auto:
        where = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        body = SweepRequest(**fields)
    except ValidationError as invalid:
        error = invalid.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, error["loc"]))
        raise InputError(f"{place}: {error.get('ctx', {}).get('error') or error['msg']}") from None
    served = load(source_of(model), where)
    work = Work(model, served, served.describe())
    Sweep().check(body, work.facts)
    steps = Sweep().steps(body, work)
    while True:
        try:
            progress = next(steps)
        except StopIteration as end:
            return dict(json.loads(to_json(end.value)))
        told(progress.done, progress.of)
