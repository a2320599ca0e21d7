"""`heedmap compare`: two inputs, two models, or two heads of one trace, ranked by how far their rows are apart."""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from heedmap.app.options import Device, place
from heedmap.model.errors import InputError

BAR = 20  # cells of a full bar, which is log 2: rows that share nothing
LONGEST = 0.6931471805599453  # nats


@dataclass(frozen=True)
class Asked:
    """What is compared: two inputs and two models, which may be the same, and where.

    places: layer, head, other, top, as POST /v1/compare takes them.
    """

    inputs: tuple[Any, Any]
    models: tuple[str | None, str | None]
    target: str | None
    site: str | None
    places: Mapping[str, Any]

    @property
    def one(self) -> bool:
        """Whether it is one trace with itself."""
        return self.inputs[0] == self.inputs[1] and self.models[0] == self.models[1]


def compare(
    text: Annotated[str | None, typer.Argument(help="The input; - reads it from standard input.")] = None,
    other: Annotated[str | None, typer.Argument(help="Another input, to compare with. [default: the same]")] = None,
    image: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="A picture, in place of TEXT.")
    ] = None,
    other_image: Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="The other picture.")] = None,
    model: Annotated[
        str | None,
        typer.Option(help="A served or shipped model's name, a checkpoint folder, or a hub id. [default: de-en]"),
    ] = None,
    other_model: Annotated[str | None, typer.Option(help="Another model for OTHER. [default: the same]")] = None,
    site: Annotated[str | None, typer.Option(help="cross, encoder, ... [default: cross, or the last]")] = None,
    layer: Annotated[int | None, typer.Option(help="From 0, negatives from the end. [default: all]")] = None,
    head: Annotated[int | None, typer.Option(help="From 0, negatives from the end. [default: all]")] = None,
    other_layer: Annotated[int | None, typer.Option(help="Of the second trace. [default: as --layer]")] = None,
    other_head: Annotated[int | None, typer.Option(help="Of the second trace. [default: as --head]")] = None,
    target: Annotated[str | None, typer.Option(help="Score this output in both, so that their rows match.")] = None,
    top: Annotated[int, typer.Option(min=1, max=1000, help="So many heads are printed.")] = 10,
    rows: Annotated[int, typer.Option(min=0, max=50, help="Of each, so many of the rows that differ most.")] = 3,
    url: Annotated[str | None, typer.Option(help="Ask the service there instead of loading the model here.")] = None,
    api_key: Annotated[str | None, typer.Option(envvar="HEEDMAP_API_KEY", help="For a service that wants one.")] = None,
    device: Annotated[Device, typer.Option(help="Where to run; auto takes CUDA where there is one.")] = Device.auto,
    as_json: Annotated[bool, typer.Option("--json", help="Print the comparison as JSON, with all heads.")] = False,
) -> None:
    """Print which heads differ between two inputs, two models, or two layers or heads of one trace, and in which rows.

    Heads are ranked by the mean Jensen-Shannon divergence of their rows: 0 for equal ones, 0.693 nats for those that
    share nothing. Tokens are matched one by one first.
    """
    first = _input(sys.stdin.read() if text == "-" else text, image)
    second = first if other is None and other_image is None else _input(other, other_image)
    second_model = model if other_model is None else other_model
    if isinstance(first, str) != isinstance(second, str):
        raise InputError("a text and a picture have nothing in common: give two texts or two pictures")
    wanted: dict[str, Any] = {
        "layer": layer,
        "head": head,
        "other": {name: value for name, value in (("layer", other_layer), ("head", other_head)) if value is not None},
        "top": rows,
    }
    places = {name: value for name, value in wanted.items() if value is not None}
    asked = Asked((first, second), (model, second_model), target, site, places)
    if asked.one and not places["other"]:
        raise InputError(
            "there is nothing to compare it with: give another input, --other-model, or --layer or --head with "
            "--other-layer or --other-head"
        )
    content = here(asked, device) if url is None else there(asked, url, api_key)
    if as_json:
        typer.echo(json.dumps(content, ensure_ascii=False))
        return
    _print(content, top)


def here(asked: Asked, device: Device) -> dict[str, Any]:
    """The comparison, of models loaded in this process.

    Raises:
        CheckpointError: there is no such model. InputError: an input cannot be used, or there is no such head.
    """
    from heedmap.app.client.alignment import site_to_show, source_of
    from heedmap.app.requests.comparison import CompareRequest
    from heedmap.app.service import comparison
    from heedmap.model.contract import Request
    from heedmap.model.load import load

    names = [name or "de-en" for name in asked.models]
    models = {name: load(source_of(name), place(device)) for name in dict.fromkeys(names)}
    traces: list[Any] = []
    for name, inputs in list(zip(names, asked.inputs, strict=True))[: 1 if asked.one else 2]:
        [trace] = models[name].trace([Request(inputs, asked.target)])
        if isinstance(trace, Exception):
            raise trace
        traces.append(trace)
    one, other = traces[0], traces[-1]
    site = asked.site or site_to_show(list(one.layers))
    body = CompareRequest(traces=["first", "second"], site=site, **asked.places)
    made = comparison.compared(one, other, body)
    heads = [row for row in comparison.ranked(made, body.top) if row is not None]
    compared = heads[0]["compared"]
    return {
        "site": site,
        "queries": {"axes": [names[0] for names in made.names], **made.queries.to_json()},
        "keys": {"axes": [names[1] for names in made.names], **made.keys.to_json()},
        "rows_compared": compared,
        "heads": sorted(
            ({name: value for name, value in head.items() if name != "compared"} for head in heads),
            key=lambda head: -head["divergence"],
        ),
    }


def there(asked: Asked, url: str, api_key: str | None) -> dict[str, Any]:
    """The comparison, by a service.

    Raises:
        ClientError: the service did not answer, or answered with a problem.
    """
    from heedmap.app.client.alignment import site_to_show
    from heedmap.app.client.api import Client

    with Client(url, api_key=api_key) as client:
        one, other = (
            client.trace(inputs, model=model, target=asked.target)
            for inputs, model in zip(asked.inputs, asked.models, strict=True)
        )
        site = asked.site or site_to_show(list(one.sites))
        content = client.compare(one, other, site, **asked.places)
    return {name: value for name, value in content.items() if name not in ("traces", "difference")}


def _print(content: Mapping[str, Any], top: int) -> None:
    """A line for each head, with a bar, and the rows that differ most."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from heedmap.app.render.isolate import isolated

    console = Console(highlight=False)
    count = len(content["heads"])
    matched = sum(length for *_, length in (*content["queries"]["equal"], *content["queries"]["substituted"]))
    console.print(
        f"{content['site']}: {matched} rows match, {content['rows_compared']} compared by Jensen-Shannon divergence",
        style="dim",
    )
    table = Table(box=None, pad_edge=False)
    for name, justify in (("layer.head", "left"), ("nats", "right"), ("", "left"), ("rows that differ most", "left")):
        table.add_column(name, justify=justify, overflow="fold")  # type: ignore[arg-type]  # rich's literals
    for head in content["heads"][:top]:
        place, its = (f"{each['layer']}.{each['head']}" for each in (head, head["other"]))
        share = min(1.0, head["divergence"] / LONGEST)
        differing = Text("  ").join(Text(f"{isolated(row['label'])} {row['divergence']:.3f}") for row in head["rows"])
        table.add_row(
            place if place == its else f"{place} - {its}",
            f"{head['divergence']:.4f}",
            Text("\u2588" * round(share * BAR) or "\u258f", style="cyan"),
            differing,
        )
    console.print(table)
    if count > top:
        console.print(f"... and {count - top} more heads (--top)", style="dim")


def _input(text: str | None, image: Path | None) -> Any:
    if image is not None:
        return {"image": image.read_bytes(), **({"text": text} if text is not None else {})}
    if text is None:
        raise InputError("give a text, or a picture with --image")
    return text
