"""`heedmap train --task image-to-text`, and `heedmap evaluate` of such a checkpoint: captions of scenes."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    import torch

    from heedmap.model.training.loop import Recipe
    from heedmap.model.training.scenes.evaluate import Report


def recipe() -> dict[str, Any]:
    """What differs from the general recipe."""
    from heedmap.model.training.scenes.run import RECIPE

    return RECIPE


def train(
    data: Path, out: Path, recipe: "Recipe", device: "torch.device", report: Callable[[dict[str, float]], None]
) -> None:
    """Train a captioner on scenes of the drawings in a folder, score it and write its card."""
    from heedmap.model.training.scenes.run import score_captions, train_captions

    train_captions(data, out, recipe, device, report=report)
    show(score_captions(out, data, str(device)))
    typer.echo(f"{out / 'README.md'} is its model card")


def evaluate(folder: Path, data: Path, device: str) -> None:
    """Print the scores of a captioner on held-out scenes."""
    from heedmap.model.training.scenes import evaluate as evaluation

    show(evaluation.evaluate(folder, data, device, report=lambda part: typer.echo(f"{part} ...", err=True)))


def show(report: "Report") -> None:
    """A line a part."""
    layer, head = report.head
    typer.echo(f"exact captions; pointing by cross head {head} of layer {layer}, beside chance and the middle")
    for part, score in report.scores.items():
        exact = ", ".join(f"{language} {share:.1%}" for language, share in score.exact.items())
        typer.echo(
            f"{part}: {exact}; points {score.pointing:.1%}, chance {score.chance:.1%}, middle {score.centre:.1%} "
            f"({score.scenes} scenes, {score.nouns} nouns)"
        )
