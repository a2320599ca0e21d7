"""Training a network that hears words, from clips of them to a checkpoint."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Int
from torch import Tensor, nn

from heedmap.model.errors import InputError
from heedmap.model.native import checkpoint
from heedmap.model.native.feature_transformer import (
    FeatureTransformer,
    FeatureTransformerConfig,
    FrameInput,
    opening,
)
from heedmap.model.native.log_mel import LogMel
from heedmap.model.native.tokenizer import PAD
from heedmap.model.training.data import sha256
from heedmap.model.training.loop import Recipe, Trainer
from heedmap.model.training.speech import clips as sets
from heedmap.model.training.speech.batches import BATCHES, LANGUAGE, MOST_WORDS, PLACES_WEIGHT, Strings
from heedmap.model.training.speech.card import write_card
from heedmap.model.training.speech.clips import WORDS, SpeakerSplit
from heedmap.model.training.speech.evaluate import HeardSet, Report, evaluate
from heedmap.model.training.speech.words import word_tokenizer

FACTS = "training.json"
FILES = {name: f"{name}.zip" for name in ("spoken-digits", "speech-commands", "voices")}
SHARES = {"spoken-digits": 0.25, "speech-commands": 0.45, "voices": 0.3}
"""How often a word of a string is drawn from each set."""
TEST, VALID = 0.22, 0.08  # of Speech Commands' speakers
RECIPE = {
    "epochs": 28,
    "batch_tokens": 16,  # strings of up to six words
    "learning_rate": 1.5e-3,
    "warmup_steps": 400,
    "label_smoothing": 0.05,
}
SHAPE = {
    "width": 128,
    "feed_forward": 384,
    "heads": 4,
    "kv_heads": 4,
    "encoder_layers": 4,
    "decoder_layers": 2,
    "max_positions": 4 * MOST_WORDS,
}
LONGEST = 10.0  # seconds that the encoder has places for


def read_sets(folder: Path) -> dict[str, SpeakerSplit]:
    """All clips that `make data` put into a folder, each set in parts that share no speaker.

    Raises:
        InputError: a file is missing, or does not read.
    """
    for name in FILES.values():
        if not (folder / name).is_file():
            raise InputError(f"there is no {name} in {folder}: make data writes it", field="data")
    digits, commands, voices = (folder / FILES[name] for name in ("spoken-digits", "speech-commands", "voices"))
    return {
        "spoken-digits": sets.by_name(sets.read_spoken_digits(digits), sets.HELD_SPEAKERS),
        "speech-commands": sets.by_hash(sets.read_commands(commands), TEST, VALID),
        "voices": sets.by_name(sets.read_commands(voices), sets.HELD_VOICES),
    }


class Listener(nn.Module):
    """A network while it learns: beside it a layer that tells of each place of the encoder which word is said then.

    The boundaries of words are known, so that the encoder need not wait for the decoder to find them; the layer is not
    saved.
    """

    def __init__(self, network: FeatureTransformer) -> None:
        super().__init__()
        self.network = network
        self.places = nn.Linear(network.config.width, network.config.vocabulary)

    @property
    def config(self) -> FeatureTransformerConfig:
        """The network's."""
        return self.network.config

    @property
    def output_weight(self) -> Tensor:
        """The network's."""
        return self.network.output_weight


class PlaceTeacher:
    """Teaches a `Listener` what each place of its encoder hears, beside what its decoder writes."""

    def hidden(self, network: Any, inputs: Sequence[Tensor], reference: Int[Tensor, "B K"]) -> tuple[Tensor, Tensor]:
        """Hidden states of a batch under teacher forcing, and the weighted cross-entropy of the encoder's places."""
        frames, lengths, target = inputs
        inner: FeatureTransformer = network.network
        memory = inner.encode(frames, lengths)
        hidden = inner.decode_hidden(target, inner.start(memory, inner.places(lengths)))
        heard = network.places(memory).float().flatten(0, 1)
        return hidden, PLACES_WEIGHT * F.cross_entropy(heard, reference.flatten(), ignore_index=PAD)


def train_speech(
    data: Path,
    out: Path,
    recipe: Recipe,
    device: torch.device,
    *,
    shape: dict[str, Any] | None = None,
    report: Callable[[dict[str, float]], None] = lambda row: None,
) -> None:
    """Train a network that writes the words of a recording, or go on with the run that `out` holds.

    Args:
        data: the folder of clips; out: the folder for state and, at the end of each epoch, the checkpoint (float16).
        recipe: its `batch_tokens` are strings. shape: fields of the network's config.
        report: called with each epoch's figures.

    Raises:
        InputError: the data does not read. CheckpointError: `out` holds a run of another network.
    """
    torch.manual_seed(recipe.seed)
    parts, tokenizer, features = read_sets(data), word_tokenizer(WORDS, [opening(LANGUAGE)]), LogMel()
    longest = round(LONGEST * features.rate / features.hop)
    config = FeatureTransformerConfig(
        task="automatic-speech-recognition",
        input=FrameInput(bands=features.bands, longest=longest),
        languages=(LANGUAGE,),
        vocabulary=len(tokenizer),
        **(SHAPE if shape is None else shape),
    )
    network = FeatureTransformer(config)
    assert isinstance(config.input, FrameInput)
    strings = Strings(
        [part.train for part in parts.values()],
        [SHARES[name] for name in parts],
        tokenizer,
        features,
        config.input.stride,
        recipe.batch_tokens,
        BATCHES,
    )
    listener: Any = Listener(network)
    trainer = Trainer(listener, recipe, out, device, PlaceTeacher())
    trainer.resume()
    for row in trainer.run(strings):
        report(row)
        checkpoint.save(out, network, tokenizer, torch.float16)
    facts = {
        "config": config.model_dump(mode="json"),
        "data_sha256": {name: sha256(data / name) for name in FILES.values()},
        "clips": {name: {p: len(getattr(part, p)) for p in ("train", "valid", "test")} for name, part in parts.items()},
        "parameters": sum(p.numel() for p in network.parameters()),
        "recipe": recipe.model_dump(),
    }
    (out / FACTS).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


def score_speech(
    out: Path, data: Path, device: str = "cpu", report: Callable[[HeardSet], None] = lambda row: None
) -> Report:
    """Score a trained checkpoint on the people that it has not heard, and write its card."""
    scores = evaluate(out, read_sets(data), device, report)
    facts = json.loads((out / FACTS).read_text(encoding="utf-8"))
    write_card(out, facts, scores)
    return scores
