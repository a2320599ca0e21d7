"""`heedmap sources`: which parts of a file an answer used."""

import sys
from collections.abc import Callable
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from heedmap.app.options import Device
from heedmap.model.errors import InputError


class By(StrEnum):
    """What is scored."""

    passages = "passages"
    sentences = "sentences"


class Removal(StrEnum):
    """How spans are taken away."""

    cut = "cut"
    text = "text"


class Method(StrEnum):
    """How spans are scored."""

    gradient = "gradient"
    ablation = "ablation"
    attention = "attention"


def sources(
    context: Annotated[Path, typer.Option(help="The context, a text; - reads stdin.")],
    question: Annotated[str, typer.Option(help="What is asked about it.")],
    model: Annotated[
        str | None,
        typer.Option(help="A served or shipped model's name, a checkpoint folder, or a hub id."),
    ] = None,
    answer: Annotated[str | None, typer.Option(help="The answer in question. [default: the model's own]")] = None,
    url: Annotated[str | None, typer.Option(help="Ask the service there instead of loading the model here.")] = None,
    api_key: Annotated[str | None, typer.Option(envvar="HEEDMAP_API_KEY", help="For a service that wants one.")] = None,
    by: Annotated[By, typer.Option(help="What is scored; passages are what empty lines part.")] = By.sentences,
    method: Annotated[list[Method] | None, typer.Option(help="Repeat for more. [default: all]")] = None,
    removal: Annotated[Removal, typer.Option(help="Cut from the attention, or left out of the text.")] = Removal.cut,
    check: Annotated[int, typer.Option(min=0, help="So many of each method's best are really taken away.")] = 3,
    ablations: Annotated[int, typer.Option(min=0, help="Random subsets that are fitted to.")] = 32,
    max_new_tokens: Annotated[int | None, typer.Option(min=1, help="The longest answer of the model's own.")] = None,
    device: Annotated[Device, typer.Option(help="Where to run; auto takes CUDA where there is one.")] = Device.auto,
    as_json: Annotated[bool, typer.Option("--json", help="Print all of it as JSON.")] = False,
) -> None:
    """Print which sentences of a context an answer used, the best first, and its log-probability without them."""
    import orjson
    from rich.console import Console
    from rich.progress import Progress

    text = sys.stdin.read() if str(context) == "-" else _text(context)
    methods = [each.value for each in method or Method]
    fields: dict[str, Any] = {"context": text, "question": question, "answer": answer, "by": by.value}
    fields |= {"method": methods, "removal": removal.value, "check": check, "ablations": ablations}
    if max_new_tokens is not None:
        fields["parameters"] = {"max_new_tokens": max_new_tokens}
    with Progress(console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("passes", total=None)

        def told(done: int, of: int) -> None:
            progress.update(bar, completed=done, total=of or None)

        there = partial(_there, url, api_key) if url is not None else partial(_here, device)
        body = there(model, fields, told)
    if as_json:
        typer.echo(orjson.dumps(body, option=orjson.OPT_INDENT_2).decode())
        return
    _print(Console(highlight=False), body, methods)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path.name} is not UTF-8: byte {error.start}") from error


def _there(
    url: str, api_key: str | None, model: str | None, fields: dict[str, Any], told: Callable[[int, int], None]
) -> Any:
    """By a service, as a job: it may take long."""
    from heedmap.app.client.api import Client

    with Client(url, api_key=api_key) as client:
        named = fields if model is None else {**fields, "model": model}
        return client.sources(**named, job=True, progress=lambda job: told(job.done, job.of)).body


def _here(device: Device, model: str | None, fields: dict[str, Any], told: Callable[[int, int], None]) -> Any:
    """By a model loaded here."""
    import torch

    from heedmap.app.client.alignment import source_of
    from heedmap.app.requests.sources import SourcesRequest
    from heedmap.app.service import sources as search
    from heedmap.app.service.jobs.kind import Work
    from heedmap.model.load import load

    if model is None:
        raise InputError("name a model with --model: one that generates text, or that answers questions")
    body = SourcesRequest.model_validate(fields)
    chosen = ("cuda" if torch.cuda.is_available() else "cpu") if device is Device.auto else device.value
    served = load(source_of(model), chosen)
    work = Work(model, served, served.describe())
    search.check(body, work.facts)
    steps = search.steps(body, work)
    while True:
        try:
            progress = next(steps)
        except StopIteration as end:
            return end.value
        told(progress.done, progress.of)


def _print(console: Any, body: Any, methods: list[str]) -> None:
    """The spans, the best of the first method first."""
    from rich.table import Table
    from rich.text import Text

    console.print(Text(body["answer"].strip(), style="bold"))
    console.print(Text(f"log-probability {body['log_probability']:.3f}, {body['passes']} passes", style="dim"))
    table = Table("", *methods, "without it", "", box=None, header_style="dim")
    order = sorted(range(len(body["spans"])), key=lambda place: -body["spans"][place]["scores"][methods[0]])
    for place in order:
        row = body["spans"][place]
        scores = [f"{row['scores'][name]:+.3f}" for name in methods]
        without = "" if row["checked"] is None else f"{row['checked']['after']:.3f}"
        table.add_row(str(place), *scores, without, Text(" ".join(row["text"].split())))
    console.print(table)
    agreements = ((name, body["methods"][name]["agreement"]) for name in methods)
    said = ", ".join(f"{name} {value:.2f}" for name, value in agreements if value is not None)
    if said:
        console.print(Text(f"rank correlation with removals that nothing was fitted to: {said}", style="dim"))
