"""A whole training run of a captioner of scenes: drawings, tokenizer, network, loop, checkpoint."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from heedmap.model.card import EXAMPLES
from heedmap.model.errors import CheckpointError
from heedmap.model.native import checkpoint
from heedmap.model.native.feature_transformer import FeatureTransformer, FeatureTransformerConfig, PatchInput
from heedmap.model.training.loop import Recipe, Trainer
from heedmap.model.training.scenes.batches import SceneBatches
from heedmap.model.training.scenes.captions import LANGUAGES, tokenizer
from heedmap.model.training.scenes.card import write_caption_card
from heedmap.model.training.scenes.drawings import SEEN, STYLES, drawings
from heedmap.model.training.scenes.evaluate import SCENES, Report, evaluate, png
from heedmap.model.training.scenes.names import PatchNames
from heedmap.model.training.scenes.nouns import NOUNS
from heedmap.model.training.scenes.scene import SIDE, Painter, Scene, drawn_by_lot

FACTS = "training.json"
RECIPE = {"epochs": 14, "learning_rate": 1.5e-3, "warmup_steps": 400, "label_smoothing": 0.05}
SHAPE: dict[str, Any] = {"width": 128, "feed_forward": 512, "heads": 4, "kv_heads": 4}
SHAPE |= {"encoder_layers": 4, "decoder_layers": 2, "dropout": 0.0, "max_positions": 40}
EPOCH = 200  # batches
EXAMPLE_SEED, SHOWN = 7, 6  # of the pictures that ship, and their number


def train_captions(
    data: Path,
    out: Path,
    recipe: Recipe,
    device: torch.device,
    *,
    shape: dict[str, Any] | None = None,
    batches: int = EPOCH,
    report: Callable[[dict[str, float]], None] = lambda row: None,
) -> FeatureTransformer:
    """Train a captioner on scenes of drawings, or go on with the run that `out` holds.

    Args:
        data: the folder of the drawings' archives.
        out: the folder for state and, after each epoch, the checkpoint (float16).
        shape: fields of the config; batches: of an epoch.
        report: called with each epoch's figures.

    Raises:
        InputError: an archive is missing or another one.
    """
    torch.manual_seed(recipe.seed)
    drawn = drawings(data, NOUNS)
    tokens, what = tokenizer(), PatchInput(side=SIDE)
    config = FeatureTransformerConfig(
        task="image-to-text", input=what, languages=LANGUAGES, vocabulary=len(tokens), **(SHAPE | (shape or {}))
    )
    network = checkpoint.build(config)
    assert isinstance(network, FeatureTransformer)
    out.mkdir(parents=True, exist_ok=True)
    trainer = Trainer(network, recipe, out, device, PatchNames())
    trainer.resume()
    scenes = SceneBatches(Painter({style: drawn[style] for style in SEEN}), tokens, what, batches)
    for row in trainer.run(scenes):
        report(row)
        checkpoint.save(out, network, tokens, torch.float16)
    facts = {
        "config": network.config.model_dump(),
        "drawings": {style.package: {"version": style.version, "sha256": style.sha256} for style in STYLES},
        "scenes": recipe.epochs * batches * scenes.size,
        "parameters": sum(p.numel() for p in network.parameters()),
        "recipe": {**recipe.model_dump(exclude={"batch_tokens"}), "batch_scenes": scenes.size},
    }
    (out / FACTS).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    return network


def score_captions(folder: Path, data: Path, device: str = "cpu", scenes: int = SCENES) -> Report:
    """Score a finished run on held-out scenes, write its card, and pictures to try it on.

    Raises:
        CheckpointError: the folder is not a finished run.
    """
    path = folder / FACTS
    if not path.is_file():
        raise CheckpointError(f"no {FACTS} in {folder}: let `heedmap train` finish there first")
    report = evaluate(folder, data, device, scenes)
    write_caption_card(folder, json.loads(path.read_text(encoding="utf-8")), report)
    drawn = drawings(data, NOUNS)
    write_examples(folder / EXAMPLES, Painter({style: drawn[style] for style in SEEN}))
    return report


def write_examples(folder: Path, painter: Painter) -> None:
    """Pictures of scenes that are held out, which ship beside the checkpoint."""
    folder.mkdir(exist_ok=True)
    rng = random.Random(EXAMPLE_SEED)
    chosen = [scene for scene in (drawn_by_lot(rng, held_out=True) for _ in range(200)) if _showy(scene)][:SHOWN]
    for number, scene in enumerate(chosen, 1):
        (folder / f"{number}.png").write_bytes(png(painter.paint(scene, rng)))


def _showy(scene: Scene) -> bool:
    """Whether a scene has a relation, a number and a colour to look at."""
    groups = scene.groups
    return len(groups) > 1 and any(g.count > 1 for g in groups) and any(g.colour is not None for g in groups)
