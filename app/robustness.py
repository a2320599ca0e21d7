"""`heedmap robustness`: a self-contained report of how answers and attention suffer as the input gets worse."""

import io
import json
import os
from base64 import b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer

from heedmap.app.options import Device, place
from heedmap.model.errors import InputError

THUMBNAIL = 640  # pixels of the longer side of a picture in the report


class Norm(StrEnum):
    """The ball in which FGSM and PGD move an embedding."""

    l2 = "l2"
    linf = "linf"


class Keys(StrEnum):
    """The keyboard on which typing errors are made."""

    qwerty = "qwerty"
    qwertz = "qwertz"


def robustness(
    texts: Annotated[list[str] | None, typer.Argument(help="The texts; give them here or in files.")] = None,
    file: Annotated[
        list[Path] | None, typer.Option(exists=True, dir_okay=False, help="Texts, a line each; repeat for more.")
    ] = None,
    image: Annotated[
        list[Path] | None, typer.Option(exists=True, dir_okay=False, help="A picture; repeat for more.")
    ] = None,
    audio: Annotated[
        list[Path] | None, typer.Option(exists=True, dir_okay=False, help="A recording; repeat for more.")
    ] = None,
    references: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="Right answers, a line each. [default: the model's own]"),
    ] = None,
    out: Annotated[Path, typer.Option(dir_okay=False, help="The report.")] = Path("robustness.html"),
    model: Annotated[
        str | None,
        typer.Option(help="A served or shipped model's name, a checkpoint folder, or a hub id. [default: de-en]"),
    ] = None,
    perturbation: Annotated[
        list[str] | None,
        typer.Option(
            help="Texts: typing_errors, swaps, casing, dropped_words, hotflip, embedding_noise, fgsm, pgd. Pictures: "
            "noise, blur, crop, occlusion. Recordings: noise. Repeat for more. [default: all without gradients]"
        ),
    ] = None,
    strength: Annotated[
        list[float] | None,
        typer.Option(help="Over 0, to 1; of recordings decibels. Repeat for more. [default: 0.05 to 0.4; 30 to 0 dB]"),
    ] = None,
    seeds: Annotated[int, typer.Option(help="How often each is drawn, 1 to 50.")] = 5,
    norm: Annotated[Norm, typer.Option(help="fgsm and pgd: the ball in which embeddings move.")] = Norm.l2,
    steps: Annotated[int, typer.Option(help="pgd: how many, 1 to 50.")] = 10,
    keyboard: Annotated[Keys, typer.Option(help="Of typing errors.")] = Keys.qwerty,
    max_new_tokens: Annotated[int | None, typer.Option(min=1, help="The longest answer, in tokens.")] = None,
    url: Annotated[str | None, typer.Option(help="Ask the service there instead of loading the model here.")] = None,
    api_key: Annotated[str | None, typer.Option(envvar="HEEDMAP_API_KEY", help="For a service that wants one.")] = None,
    device: Annotated[Device, typer.Option(help="Where to run; auto takes CUDA where there is one.")] = Device.auto,
    as_json: Annotated[Path | None, typer.Option("--json", dir_okay=False, help="Also the numbers, as JSON.")] = None,
) -> None:
    """Write a report of how a model's answers and attention suffer as its input gets worse: one page, no network.

    Curves with confidence intervals over seeds, and the most fragile heads, tokens and regions. Nothing is written
    when it is stopped.
    """
    from heedmap.app.render.report import Report, report

    for path in (out, as_json):
        if path is not None and not path.absolute().parent.is_dir():
            raise InputError(f"there is no folder {path.absolute().parent} to write {path.name} into")
    inputs, names = _inputs(texts or [], file or [], image or [], audio or [])
    fields: dict[str, Any] = {
        "inputs": inputs,
        "references": None if references is None else _lines(references),
        "perturbations": perturbation or None,
        "strengths": strength or None,
        "seeds": seeds,
        "norm": norm.value,
        "steps": steps,
        "keyboard": keyboard.value,
        "parameters": None if max_new_tokens is None else {"max_new_tokens": max_new_tokens},
    }
    fields = {name: value for name, value in fields.items() if value is not None}
    result = here(model or "de-en", fields, place(device)) if url is None else there(url, api_key, model, fields)
    said = {name: value for name, value in fields.items() if name not in ("inputs", "references")}
    facts = {
        "made": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "by": f"heedmap {version('heedmap')}" + ("" if url is None else f", of the service at {url}"),
        "parameters": json.dumps(said, ensure_ascii=False),
        "references": "the model's own answers" if references is None else references.name,
    }
    pictures = {number: _address(each["image"]) for number, each in enumerate(inputs) if image}
    _write(out, report(Report(result, names, pictures, facts)))
    if as_json is not None:
        from heedmap.app.render.wire import to_json

        _write(as_json, to_json(result) + b"\n")
    typer.echo(f"{out} has the report: {len(names) - len(result['refused'])} of {len(names)} inputs")


def here(model: str, fields: dict[str, Any], device: str) -> dict[str, Any]:
    """The result, by a model loaded in this process.

    Raises:
        CheckpointError: there is no such model. InputError: what is asked for cannot be done; it says what.
    """
    from pydantic import ValidationError

    from heedmap.app.client.alignment import source_of
    from heedmap.app.service.jobs.kind import Work
    from heedmap.app.service.jobs.robustness.job import Robustness
    from heedmap.app.service.jobs.robustness.request import RobustnessRequest
    from heedmap.model.load import load

    try:
        body = RobustnessRequest(**fields)
    except ValidationError as invalid:
        error = invalid.errors(include_url=False, include_input=False)[0]
        cause = error.get("ctx", {}).get("error")
        where = ".".join(map(str, [*error["loc"], *filter(None, [getattr(cause, "field", None)])]))
        raise InputError(f"{where}: {cause or error['msg']}") from None
    kind = Robustness()
    kind.check(body, {})
    served = load(source_of(model), device)
    steps = kind.steps(body, Work(Path(model).name, served, served.describe()))
    with _bar() as (bar, task):
        while True:
            try:
                progress = next(steps)
            except StopIteration as end:
                result: dict[str, Any] = end.value
                return result
            bar.update(task, completed=progress.done, total=progress.of)


def there(url: str, api_key: str | None, model: str | None, fields: dict[str, Any]) -> dict[str, Any]:
    """The result, by a job of a service, which is cancelled where somebody stops waiting.

    Raises:
        ClientError: the service did not answer, or answered with a problem.
    """
    from heedmap.app.client.api import Client

    with Client(url, api_key=api_key) as client, _bar() as (bar, task):
        job = client.job("robustness", model=model, **fields)
        try:
            done = client.wait(job, progress=lambda now: bar.update(task, completed=now.done, total=now.of or None))
        except BaseException:
            client.cancel(job)
            raise
        client.cancel(job)  # which also forgets its result
        result: dict[str, Any] = done.result
        return result


@contextmanager
def _bar() -> Iterator[Any]:
    """A progress bar on stderr, and its task."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        yield progress, progress.add_task("perturbing", total=None)


def _inputs(
    texts: Sequence[str], files: Sequence[Path], images: Sequence[Path], recordings: Sequence[Path]
) -> tuple[list[Any], list[str]]:
    """What the model reads, and what the report calls it.

    Raises:
        InputError: there is nothing, or of several kinds.
    """
    given = [name for name, some in (("texts", [*texts, *files]), ("--image", images), ("--audio", recordings)) if some]
    if len(given) != 1:
        said = "give texts, --file, --image or --audio" if not given else f"{' and '.join(given)} are of several kinds"
        raise InputError(f"{said}: a report is of texts, of pictures or of recordings")
    if images:
        return [{"image": path.read_bytes()} for path in images], [path.name for path in images]
    if recordings:
        return [{"audio": path.read_bytes()} for path in recordings], [path.name for path in recordings]
    lines = [*texts, *(line for path in files for line in _lines(path))]
    return list(lines), lines


def _lines(path: Path) -> list[str]:
    """The lines of a file that are not empty.

    Raises:
        InputError: it is no text, or has none.
    """
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except UnicodeDecodeError as error:
        raise InputError(f"{path.name} is not UTF-8: byte {error.start}") from None
    if not lines:
        raise InputError(f"{path.name} has no lines")
    return lines


def _address(data: bytes) -> str:
    """A small copy of a picture, as a data: address."""
    from heedmap.model.media import open_image

    try:
        picture = open_image(data)
    except InputError:  # which the report names among what was left out
        return "data:,"
    picture.thumbnail((THUMBNAIL, THUMBNAIL))
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=85)
    return f"data:image/jpeg;base64,{b64encode(file.getvalue()).decode()}"


def _write(path: Path, content: bytes) -> None:
    """A file, whole or not at all."""
    aside = path.with_name(path.name + ".partial")
    try:
        aside.write_bytes(content)
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)
