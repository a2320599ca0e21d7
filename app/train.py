"""`heedmap train`: a model of any task that the project trains from nothing."""

from dataclasses import dataclass
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from heedmap.app import align, captions, speech
from heedmap.app.options import Device, Storage, place
from heedmap.model.errors import InputError

if TYPE_CHECKING:
    import torch

    from heedmap.model.training.loop import Recipe

EXTRA = "'heedmap[train]'"


class Task(StrEnum):
    """What a model is trained for."""

    translation = "translation"
    summarization = "summarization"
    text_generation = "text-generation"
    image_to_text = "image-to-text"
    automatic_speech_recognition = "automatic-speech-recognition"


class Architecture(StrEnum):
    """What can be built."""

    transformer = "transformer"
    recurrent = "recurrent"
    language_model = "language-model"
    feature_transformer = "feature-transformer"


ARCHITECTURES = {
    Task.translation: (Architecture.transformer, Architecture.recurrent),
    Task.summarization: (Architecture.transformer,),
    Task.text_generation: (Architecture.language_model,),
    Task.image_to_text: (Architecture.feature_transformer,),
    Task.automatic_speech_recognition: (Architecture.feature_transformer,),
}
"""Of each task, the usual one first."""

FROM_FOLDERS = {Task.image_to_text: captions, Task.automatic_speech_recognition: speech}
"""What learns from a folder of archives, and what trains it."""


@dataclass(frozen=True)
class Run:
    """What every task's training is given: the file of data, the folder of the run, what differs from the recipe."""

    data: Path
    out: Path
    architecture: Architecture
    overrides: dict[str, Any]
    device: "torch.device"

    def recipe(self, **usual: Any) -> "Recipe":
        """The recipe, with a task's own defaults and then the command's options in the place of the general ones."""
        from heedmap.model.training.loop import Recipe

        return Recipe(**{**usual, **self.overrides})


def report(row: dict[str, float]) -> None:
    """An epoch's figures, in a line."""
    valid = f", valid {row['valid']:.3f} bits a byte" if "valid" in row else ""
    typer.echo(f"epoch {row['epoch']:.0f}: loss {row['loss']:.3f}{valid}, {row['tokens_per_second']:,.0f} tokens/s")


def train(
    data: Annotated[
        Path,
        typer.Option(
            exists=True,
            help="Tab-separated pairs, or a zip of them; papers, .xz or not; a text; image-to-text and "
            "automatic-speech-recognition: the folder that make data filled.",
        ),
    ],
    out: Annotated[Path, typer.Option(file_okay=False, help="The checkpoint's folder; a run that it holds goes on.")],
    task: Annotated[
        Task | None, typer.Option(help="What for. [default: what --architecture is for, or translation]")
    ] = None,
    architecture: Annotated[
        Architecture | None,
        typer.Option(help="What to train. [default: the task's]"),
    ] = None,
    languages: Annotated[str, typer.Option(help="translation: de-en or zh-en.")] = "de-en",
    epochs: Annotated[int | None, typer.Option(min=1, help="Passes over the training part.")] = None,
    batch_tokens: Annotated[int | None, typer.Option(min=1, help="Tokens in a batch.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of weights, order and dropout.")] = None,
    device: Annotated[Device, typer.Option(help="Where to run; auto takes CUDA where there is one.")] = Device.auto,
    tokenizer: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="A tokenizer.json to share; one is trained unless given."),
    ] = None,
    storage: Annotated[
        Storage, typer.Option(help="float16, or int8, whose loss the card states; text-generation: float16.")
    ] = Storage.float16,
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
    """Train a model from nothing, or go on with a run that was stopped.

    translation: German or Chinese to English; summarization: titles of abstracts, with a head that copies;
    text-generation: a text, byte by byte.
    """
    import torch

    from heedmap.model.training.guide import Guide

    task, architecture = chosen(task, architecture)
    options: dict[str, Any] = {"epochs": epochs, "batch_tokens": batch_tokens, "seed": seed}
    options |= {"learning_rate": learning_rate, "warmup_steps": warmup_steps}
    overrides = {name: value for name, value in options.items() if value is not None}
    if architecture is not Architecture.transformer and (start is not None or links is not None):
        raise InputError("only a Transformer is begun from a checkpoint and taught to align: leave --architecture out")
    if task is not Task.translation and (start is not None or links is not None):
        raise InputError(f"--from and --align are for translation, not for {task}")
    if task is Task.text_generation and storage is not Storage.float16:
        raise InputError("a language model is stored as float16; heedmap convert --storage stores it otherwise")
    if data.is_dir() != (task in FROM_FOLDERS):
        wanted = "folder" if task in FROM_FOLDERS else "file"
        raise InputError(f"{task} learns from a {wanted}, and {data} is none")
    if storage not in (Storage.float16, Storage.int8):
        raise InputError("a trained model is stored as float16 or as int8")
    if start is not None and tokenizer is not None:
        raise InputError("a checkpoint brings its own tokenizer: leave --tokenizer out, or --from")
    run = Run(data, out, architecture, overrides, torch.device(place(device)))
    if task is Task.text_generation:
        text_generation(run)
        return
    if task is Task.summarization:
        summarization(run, storage, tokenizer=tokenizer)
        return
    if task in FROM_FOLDERS:
        trained = FROM_FOLDERS[task]
        trained.train(run.data, run.out, run.recipe(**trained.recipe()), run.device, report)
        return
    guide = None if links is None else Guide.parse(align_head, align_reading.value, align_weight, align_alone)
    translation(run, languages, storage, tokenizer=tokenizer, start=start, align=links, guide=guide)


def chosen(task: Task | None, architecture: Architecture | None) -> tuple[Task, Architecture]:
    """The task and the architecture that options mean.

    Raises:
        InputError: they do not go together.
    """
    if task is None:
        task = next((task for task, those in ARCHITECTURES.items() if architecture in those), Task.translation)
    those = ARCHITECTURES[task]
    if architecture is not None and architecture not in those:
        raise InputError(f"{task} is learnt by {' or '.join(those)}, not by {architecture}")
    return task, architecture or those[0]


def summarization(run: Run, storage: Storage, **more: Any) -> None:
    """Train a network that writes titles, score it beside what stands in the abstracts, and write its card."""
    from heedmap.model.training.title_scores import score_titles
    from heedmap.model.training.titles import RECIPE, train_titles

    train_titles(run.data, run.out, run.recipe(**RECIPE), run.device, report=report, **more)
    typer.echo(f"{run.out} holds the checkpoint and its held-out papers, valid.jsonl and test.jsonl")
    for (part, who), score in score_titles(run.out, str(run.device), storage.value).items():
        typer.echo(
            f"{part}, {who}: ROUGE-1 {score.one:.1f}, ROUGE-2 {score.two:.1f}, ROUGE-L {score.longest:.1f}, "
            f"{score.texts:,} papers"
        )
    typer.echo(f"{run.out / 'README.md'} is its model card")


def text_generation(run: Run) -> None:
    """Train a language model on a text, and write its card."""
    from heedmap.model.training.run_text import TEXT, score_text, train_text

    train_text(run.data, run.out, run.recipe(**TEXT), run.device, report=report)
    for part, bits in score_text(run.out, str(run.device)).items():
        typer.echo(f"{part}: {bits:.3f} bits a byte")
    typer.echo(f"{run.out / 'README.md'} is its model card")


def translation(run: Run, names: str, storage: Storage, **more: Any) -> None:
    """Train a translation model on pairs of sentences, score it and write its card."""
    from heedmap.model.training.languages import languages
    from heedmap.model.training.run import score_and_card, train_translation

    between = languages(names)
    recipe = run.recipe(**between.recipe)
    train_translation(
        run.data, run.out, run.architecture.value, recipe, run.device, between=between, report=report, **more
    )
    typer.echo(f"{run.out} holds the checkpoint and its held-out sentences, valid.jsonl and test.jsonl")
    if find_spec("sacrebleu") is None:
        typer.echo(f"no scores and no card without sacreBLEU; pip install {EXTRA}, then run this command again")
        return
    for (part, decoding), score in score_and_card(run.out, str(run.device), storage=storage.value).items():
        typer.echo(f"{part}, {decoding}: BLEU {score.bleu:.2f}, chrF {score.chrf:.2f}, {score.sentences:,} sentences")
    typer.echo(f"{run.out / 'README.md'} is its model card")
