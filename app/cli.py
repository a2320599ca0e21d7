"""`heedmap serve`, `predict`, `train` and the other commands, each in a file of its own or here.

Everything heavy is imported inside the commands: `heedmap --help` answers at once.
"""

import json
import sys
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, NoReturn

try:
    import typer
except ModuleNotFoundError:  # the base install is the client alone, yet pip has put the command beside it
    sys.exit("heedmap: the command comes with the service: pip install 'heedmap[serve]'")

from heedmap.app import (
    align,
    captions,
    compare,
    deploy,
    options,
    robustness,
    simultaneous,
    site,
    sources,
    speech,
    sweep,
    train,
)
from heedmap.app.client.errors import ClientError
from heedmap.app.corpus import command as corpora
from heedmap.app.http.access import commands as key_commands
from heedmap.app.options import Device, Storage
from heedmap.model.errors import HeedmapError, InputError

cli = typer.Typer(
    help="Serves trained attention models and shows where every head looks.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
cli.add_typer(key_commands.cli, name="key")
cli.command()(deploy.deploy)
cli.command()(align.align)
cli.command()(simultaneous.simultaneous)
cli.command()(sweep.sweep)
cli.command()(sources.sources)
cli.command()(compare.compare)
cli.command()(robustness.robustness)
cli.command()(corpora.corpus)
cli.command()(site.site)
cli.command()(train.train)


DeviceOption = Annotated[Device, typer.Option(help="Where to run; auto takes CUDA where there is one.")]


def main() -> None:
    """The console script: an input that cannot be used ends in one line on stderr and status 2, a failure in 1."""
    try:
        cli()
    except InputError as error:
        _end(error, 2)
    except (HeedmapError, ClientError) as error:
        _end(error, 1)
    except OSError as error:  # a file that is not there, cannot be read, or has no room to be written
        _end(f"{error.filename}: {error.strerror}" if error.filename else error, 1)


def _end(error: Exception | str, status: int) -> NoReturn:
    print("heedmap:", *str(error).split(), file=sys.stderr)  # noqa: T201
    sys.exit(status)


def _show_version(show: bool) -> None:
    if show:
        typer.echo(f"heedmap {version('heedmap')}")
        raise typer.Exit


@cli.callback()
def heedmap(
    show_version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Serves trained attention models and shows where every head looks."""


@cli.command()
def serve(
    host: options.Host = None,
    port: options.Port = None,
    model: options.Model = None,
    load: options.WhenLoaded = None,
    device: options.Where = None,
    traces: options.Traces = None,
    root_path: options.RootPath = None,
    keys: options.KeysFile = None,
    everybody: options.Everybody = False,
) -> None:
    """Serve the explorer and the API. What is not given is taken from HEEDMAP_* in the environment."""
    from heedmap.app.service import primitives

    primitives.limit()
    from heedmap.app.http.main import create_app
    from heedmap.app.http.startup import check, read_settings, run

    settings = read_settings(options.given(host, port, model, load, device, traces, root_path, keys, everybody))
    check(settings)
    run(create_app(settings), settings)


@cli.command()
def predict(
    text: Annotated[str | None, typer.Argument(help="The input; - reads it from standard input.")] = None,
    image: Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="A picture to look at.")] = None,
    audio: Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="A recording to listen to.")] = None,
    label: Annotated[list[str] | None, typer.Option(help="zero-shot: a label to choose from; repeat for more.")] = None,
    model: Annotated[
        str | None,
        typer.Option(help="A served or shipped model's name, a checkpoint folder, or a hub id as serve takes it."),
    ] = None,
    url: Annotated[str | None, typer.Option(help="Ask the service there instead of loading the model here.")] = None,
    api_key: Annotated[str | None, typer.Option(envvar="HEEDMAP_API_KEY", help="For a service that wants one.")] = None,
    target: Annotated[str | None, typer.Option(help="Score this output instead of generating one.")] = None,
    layer: Annotated[
        int | None, typer.Option(help="The layer to show. [default: that of the best aligning head, or the last]")
    ] = None,
    head: Annotated[
        int | None, typer.Option(help="The head to show. [default: the best aligning one, or the mean of all]")
    ] = None,
    beam_size: Annotated[int, typer.Option(min=1, max=16, help="Hypotheses kept at every step.")] = 1,
    device: DeviceOption = Device.auto,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the prediction as JSON, without the attention.")
    ] = False,
) -> None:
    """Print the answer and, word by word, what of the input it looked at."""
    from rich.console import Console

    from heedmap.app.client.alignment import ask_service, run_here
    from heedmap.app.render.terminal import print_alignment, print_attended, print_prediction
    from heedmap.model.measures.alignment import CROSS

    inputs = _inputs(sys.stdin.read() if text == "-" else text, image, audio)
    parameters: dict[str, Any] = {"beam_size": beam_size, **({"candidate_labels": label} if label else {})}
    if url is not None:
        alignment = ask_service(url, api_key, inputs, model, target, parameters)
    else:
        alignment = run_here(inputs, model, target, parameters, options.place(device))
    if as_json:
        typer.echo(json.dumps(alignment.prediction.to_json(), ensure_ascii=False))
        return
    console = Console(highlight=False)
    print_prediction(console, alignment.prediction)
    layer_index, head_index = alignment.choose(layer, head)
    title = "cross-attention" if alignment.site == CROSS else f"attention, site {alignment.site}"
    chosen = "mean of heads" if head_index is None else f"head {head_index}"
    console.print(f"{title}, layer {layer_index}, {chosen}, percent\n", style="dim")
    aligned = alignment.site == CROSS and alignment.keys.kind == "text"
    show = print_alignment if aligned else print_attended
    show(console, alignment.weights(layer_index, head_index), alignment.queries, alignment.keys)


def _inputs(text: str | None, image: Path | None, audio: Path | None) -> str | dict[str, Any]:
    """What the model reads, of what the command line names."""
    if audio is not None:
        if text is not None or image is not None:
            raise InputError("a recording stands alone: give --audio without a text or an image")
        return {"audio": audio.read_bytes()}
    if image is not None:
        return {"image": image.read_bytes(), **({"text": text} if text is not None else {})}
    if text is None:
        raise InputError("give a text, or a file with --image or --audio")
    return text


@cli.command()
def convert(
    source: Annotated[
        str,
        typer.Argument(metavar="PATH_OR_HUB_ID", help="A checkpoint or adapter of pickles; or one of Heedmap's own."),
    ],
    out: Annotated[Path, typer.Option(file_okay=False, help="The new folder.")],
    storage: Annotated[
        Storage | None,
        typer.Option(help="How weights of Heedmap's own are stored; int8: a byte each, and a scale a row."),
    ] = None,
) -> None:
    """Write a pickled checkpoint as safetensors; nothing but tensors is unpickled, and the new file is read back.

    With --storage, write one of Heedmap's own with its weights stored otherwise.
    """
    if storage is not None:
        from heedmap.model.native import checkpoint

        size = checkpoint.rewrite(Path(source), out, checkpoint.STORAGES[storage])
        typer.echo(f"{out} holds the same network, its weights as {storage} in {size:,} bytes")
        return
    from heedmap.model.hub.load import convert as conversion

    done = conversion.convert(source, out)
    shared = f" ({done.shared} more names share them)" if done.shared else ""
    typer.echo(f"{out} holds {done.tensors} tensors{shared} in {done.bytes:,} bytes: heedmap serve --model NAME={out}")


@cli.command()
def evaluate(
    checkpoint: Annotated[Path | None, typer.Option(help="A checkpoint folder. [default: the shipped de-en]")] = None,
    references: Annotated[Path | None, typer.Option(help="JSON lines. [default: test.jsonl of the checkpoint]")] = None,
    beam_size: Annotated[int, typer.Option(min=1, max=16, help="Hypotheses kept at every step.")] = 5,
    data: Annotated[
        Path | None,
        typer.Option(exists=True, file_okay=False, help="A captioner or a recogniser: what make data fetched."),
    ] = None,
    device: DeviceOption = Device.auto,
) -> None:
    """Print sacreBLEU and chrF on held-out sentences, with every reference that they have, and the signatures.

    Of a model that writes titles: ROUGE, beside that of the first sentence and of the first words of each abstract.
    Of a captioner, how many captions of held-out scenes are exact, and how often its heads point at what it names; of
    what hears words, how many it mishears, and how far from the words its heads look.
    """
    if data is not None:
        from heedmap.app.settings import WEIGHTS as SHIPPED
        from heedmap.model.load import peek

        folder = checkpoint or SHIPPED / "scenes"
        hears = peek(str(folder)).get("task") == train.Task.automatic_speech_recognition
        (speech if hears else captions).evaluate(folder, data, options.place(device))
        return
    if find_spec("sacrebleu") is None:
        raise InputError(f"scores are sacreBLEU's, which is not installed: pip install {train.EXTRA}")

    from heedmap.app.settings import WEIGHTS
    from heedmap.model.contract import Parameters
    from heedmap.model.load import load, peek
    from heedmap.model.training import evaluate as evaluation
    from heedmap.model.training.run import read_references

    folder = checkpoint or WEIGHTS / "de-en"
    file = references or folder / "test.jsonl"
    if not file.is_file():
        raise InputError(f"there is no {file}; name the held-out sentences with --references")
    held_out = read_references(file)
    parameters = Parameters(beam_size=beam_size)
    if peek(str(folder)).get("task") == "summarization":
        from heedmap.model.training.title_scores import score_papers

        for who, rouge in score_papers(load(folder, options.place(device)), held_out, parameters).items():
            typer.echo(f"{who}: ROUGE-1 {rouge.one:.1f}, ROUGE-2 {rouge.two:.1f}, ROUGE-L {rouge.longest:.1f}")
        typer.echo(f"{len(held_out)} papers, beam size {beam_size}")
        return
    with typer.progressbar(length=len(held_out), label="translating", file=sys.stderr) as bar:

        def report(done: int) -> None:
            bar.update(done - bar.pos)

        scores = evaluation.evaluate(folder, held_out, options.place(device), parameters, report)
    typer.echo(f"BLEU {scores.bleu:.2f}  {scores.bleu_signature}")
    typer.echo(f"chrF {scores.chrf:.2f}  {scores.chrf_signature}")
    typer.echo(f"{scores.sentences} sentences in {scores.seconds:.1f} s, beam size {beam_size}")


if __name__ == "__main__":
    main()
