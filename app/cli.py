"""`heedmap serve`, `predict`, `train` and the other commands, each in a file of its own or here.

Everything heavy is imported inside the commands: `heedmap --help` answers at once.
"""

import json
import sys
from enum import StrEnum
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, NoReturn

try:
    import typer
except ModuleNotFoundError:  # the base install is the client alone, yet pip has put the command beside it
    sys.exit("heedmap: the command comes with the service: pip install 'heedmap[serve]'")

from heedmap.app import align, compare, deploy, options, robustness, simultaneous, site, sources, sweep
from heedmap.app.client.errors import ClientError
from heedmap.app.http.access import commands as key_commands
from heedmap.app.options import Device
from heedmap.model.errors import HeedmapError, InputError

EXTRA = "'heedmap[train]'"

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
cli.command()(site.site)


class Architecture(StrEnum):
    """What `heedmap train` can build."""

    transformer = "transformer"
    recurrent = "recurrent"
    language_model = "language-model"


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
        alignment = run_here(inputs, model, target, parameters, _device(device))
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
    source: Annotated[str, typer.Argument(metavar="PATH_OR_HUB_ID", help="A checkpoint or adapter of pickles.")],
    out: Annotated[Path, typer.Option(file_okay=False, help="The new folder.")],
) -> None:
    """Write a pickled checkpoint as safetensors; nothing but tensors is unpickled, and the new file is read back."""
    from heedmap.model.hub.load import convert as conversion

    done = conversion.convert(source, out)
    shared = f" ({done.shared} more names share them)" if done.shared else ""
    typer.echo(f"{out} holds {done.tensors} tensors{shared} in {done.bytes:,} bytes: heedmap serve --model NAME={out}")


@cli.command()
def train(
    data: Annotated[
        Path, typer.Option(exists=True, dir_okay=False, help="Tab-separated pairs, or a zip of them; or a text.")
    ],
    out: Annotated[Path, typer.Option(file_okay=False, help="The checkpoint's folder; a run that it holds goes on.")],
    architecture: Annotated[Architecture, typer.Option(help="What to train.")] = Architecture.transformer,
    epochs: Annotated[int | None, typer.Option(min=1, help="Passes over the training part.")] = None,
    batch_tokens: Annotated[int | None, typer.Option(min=1, help="Tokens in a batch.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of weights, order and dropout.")] = None,
    device: DeviceOption = Device.auto,
    tokenizer: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="A tokenizer.json to share; one is trained unless given."),
    ] = None,
    learning_rate: Annotated[float | None, typer.Option(min=1e-8, help="At its peak.")] = None,
    warmup_steps: Annotated[int | None, typer.Option(min=1, help="Until the peak.")] = None,
    start: Annotated[
        Path | None,
        typer.Option("--from", exists=True, file_okay=False, help="A Transformer checkpoint to begin with."),
    ] = None,
    links: Annotated[
        Path | None,
        typer.Option(
            "--align",
            exists=True,
            dir_okay=False,
            help="Teach a cross head to align: links between the words of each pair, a line each, as heedmap align or "
            "a word aligner writes them.",
        ),
    ] = None,
    align_head: Annotated[str, typer.Option(metavar="LAYER.HEAD", help="The head that is taught.")] = "1.0",
    align_reading: Annotated[align.Row, typer.Option(help="The row of a token that is taught.")] = align.Row.input,
    align_weight: Annotated[float, typer.Option(min=0, help="Of its loss beside that of the translation.")] = 0.5,
    align_alone: Annotated[
        bool,
        typer.Option(
            "--align-alone", help="The head alone learns, --from on; what follows it is fitted to what it did."
        ),
    ] = False,
) -> None:
    """Train a translation model, German to English, or a language model, or go on with a run that was stopped."""
    import torch

    from heedmap.model.training.guide import Guide
    from heedmap.model.training.loop import Recipe
    from heedmap.model.training.run import TEXT, score_and_card, score_text, train_text, train_translation

    options: dict[str, Any] = {"epochs": epochs, "batch_tokens": batch_tokens, "seed": seed}
    options |= {"learning_rate": learning_rate, "warmup_steps": warmup_steps}
    overrides = {name: value for name, value in options.items() if value is not None}
    text = architecture is Architecture.language_model
    recipe = Recipe(**(TEXT | overrides if text else overrides))

    def report(row: dict[str, float]) -> None:
        valid = f", valid {row['valid']:.3f} bits a byte" if "valid" in row else ""
        rate = f"{row['tokens_per_second']:,.0f} tokens/s"
        typer.echo(f"epoch {row['epoch']:.0f}: loss {row['loss']:.3f}{valid}, {rate}")

    where = torch.device(_device(device))
    if architecture is not Architecture.transformer and (start is not None or links is not None):
        raise InputError("only a Transformer is begun from a checkpoint and taught to align: leave --architecture out")
    if start is not None and tokenizer is not None:
        raise InputError("a checkpoint brings its own tokenizer: leave --tokenizer out, or --from")
    if text:
        train_text(data, out, recipe, where, report=report)
        for part, bits in score_text(out, str(where)).items():
            typer.echo(f"{part}: {bits:.3f} bits a byte")
        typer.echo(f"{out / 'README.md'} is its model card")
        return
    guide = None if links is None else Guide.parse(align_head, align_reading.value, align_weight, align_alone)
    more: dict[str, Any] = {"tokenizer": tokenizer, "start": start, "align": links, "guide": guide, "report": report}
    train_translation(data, out, architecture.value, recipe, where, **more)
    typer.echo(f"{out} holds the checkpoint and its held-out sentences, valid.jsonl and test.jsonl")
    if find_spec("sacrebleu") is None:
        typer.echo(f"no scores and no card without sacreBLEU; pip install {EXTRA}, then run this command again")
        return
    for (part, decoding), score in score_and_card(out, str(where)).items():
        typer.echo(f"{part}, {decoding}: BLEU {score.bleu:.2f}, chrF {score.chrf:.2f}, {score.sentences:,} sentences")
    typer.echo(f"{out / 'README.md'} is its model card")


@cli.command()
def evaluate(
    checkpoint: Annotated[Path | None, typer.Option(help="A checkpoint folder. [default: the shipped de-en]")] = None,
    references: Annotated[Path | None, typer.Option(help="JSON lines. [default: test.jsonl of the checkpoint]")] = None,
    beam_size: Annotated[int, typer.Option(min=1, max=16, help="Hypotheses kept at every step.")] = 5,
    device: DeviceOption = Device.auto,
) -> None:
    """Print sacreBLEU and chrF on held-out sentences, with every reference that they have, and the signatures."""
    if find_spec("sacrebleu") is None:
        raise InputError(f"scores are sacreBLEU's, which is not installed: pip install {EXTRA}")

    from heedmap.app.settings import WEIGHTS
    from heedmap.model.contract import Parameters
    from heedmap.model.training import evaluate as evaluation
    from heedmap.model.training.run import read_references

    folder = checkpoint or WEIGHTS / "de-en"
    file = references or folder / "test.jsonl"
    if not file.is_file():
        raise InputError(f"there is no {file}; name the held-out sentences with --references")
    held_out = read_references(file)
    with typer.progressbar(length=len(held_out), label="translating", file=sys.stderr) as bar:

        def report(done: int) -> None:
            bar.update(done - bar.pos)

        scores = evaluation.evaluate(folder, held_out, _device(device), Parameters(beam_size=beam_size), report)
    typer.echo(f"BLEU {scores.bleu:.2f}  {scores.bleu_signature}")
    typer.echo(f"chrF {scores.chrf:.2f}  {scores.chrf_signature}")
    typer.echo(f"{scores.sentences} sentences in {scores.seconds:.1f} s, beam size {beam_size}")


def _device(device: Device) -> str:
    if device is not Device.auto:
        from heedmap.app.http.startup import check_device

        check_device(device.value)
        return device.value
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


if __name__ == "__main__":
    main()
