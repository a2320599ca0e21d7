"""`heedmap train --task automatic-speech-recognition`, and `heedmap evaluate` of such a checkpoint: spoken words."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    import torch

    from heedmap.model.training.loop import Recipe
    from heedmap.model.training.speech.evaluate import HeardSet, Report


def recipe() -> dict[str, Any]:
    """What differs from the general recipe."""
    from heedmap.model.training.speech.run import RECIPE

    return RECIPE


def train(
    data: Path, out: Path, recipe: "Recipe", device: "torch.device", report: Callable[[dict[str, float]], None]
) -> None:
    """Train a network that hears words from the clips in a folder, score it and write its card."""
    from heedmap.model.training.speech.run import score_speech, train_speech

    train_speech(data, out, recipe, device, report=report)
    show(score_speech(out, data, str(device), heard))
    typer.echo(f"{out / 'README.md'} is its model card")


def evaluate(folder: Path, data: Path, device: str) -> None:
    """Print how well a checkpoint hears people that it has not heard, and whether it looks where their words are."""
    from heedmap.model.training.speech import evaluate as evaluation
    from heedmap.model.training.speech.run import read_sets

    show(evaluation.evaluate(folder, read_sets(data), device, heard))


def heard(row: "HeardSet") -> None:
    """A set's errors."""
    typer.echo(
        f"{row.name}: word error rate {row.clean:.1%} of {row.words} words, {row.noisy:.1%} under noise; "
        f"{row.right:.1%} of {row.singles} single words right"
    )


def show(report: "Report") -> None:
    """Where it looks."""
    reading = report.reading
    typer.echo(
        f"seconds to the middle of a word, read off the {reading.of} of its {reading.row} row in cross head "
        f"{reading.head} of layer {reading.layer}"
    )
    for name, timing in report.timings.items():
        typer.echo(
            f"{name}: {timing.attended:.3f} s over {timing.words} words; drawn evenly {timing.uniform:.3f} s, "
            f"a word's share of the time {timing.proportional:.3f} s"
        )
