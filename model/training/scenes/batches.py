"""Batches of scenes that nobody has seen before: painted when they are asked for, the same ones for the same seed."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from heedmap.model.native.captioner import features_of
from heedmap.model.native.feature_transformer import PatchInput, opening
from heedmap.model.native.tokenizer import PAD, UNKNOWN, Tokenizer
from heedmap.model.padding import padded
from heedmap.model.training.scenes.captions import LANGUAGES, captions
from heedmap.model.training.scenes.nouns import NOUNS
from heedmap.model.training.scenes.scene import Painter, Picture, drawn_by_lot

BATCH = 32  # scenes
COVERED = 0.25  # of a patch's pixels: so many show a thing, or it shows the ground


@dataclass(frozen=True)
class SceneBatch:
    """Patches (B K E), what the decoder reads (B Q) and is to write, and the name of what each patch shows (B K)."""

    features: Tensor
    lengths: Tensor
    target: Tensor
    labels: Tensor  # PAD where there is nothing to predict
    reference: Tensor

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """What the network's `hidden` takes."""
        return self.features, self.lengths, self.target

    @property
    def tokens(self) -> int:
        """Target tokens that count."""
        return int((self.labels != PAD).sum())


class SceneBatches:
    """Endless scenes, so many batches an epoch, captioned in a language drawn for each."""

    def __init__(
        self, painter: Painter, tokenizer: Tokenizer, what: PatchInput, batches: int, size: int = BATCH
    ) -> None:
        self.painter, self.tokenizer, self.what, self.batches, self.size = painter, tokenizer, what, batches, size
        self.names = [tokenizer.one(noun.one, "noun") for noun in NOUNS]
        self.openings = [tokenizer.one(opening(language), "language") for language in LANGUAGES]

    def epoch(self, seed: int) -> "Sequence[SceneBatch]":
        """So many batches of scenes of combinations that are not held out."""
        return _Epoch(self, seed, range(self.batches))

    def batch(self, seed: int) -> SceneBatch:
        """One batch."""
        rng = random.Random(seed)
        scenes = [self.painter.paint(drawn_by_lot(rng, held_out=False), rng) for _ in range(self.size)]
        features = features_of([scene.pixels for scene in scenes], self.what)
        read, written = [], []
        for scene in scenes:
            place = rng.randrange(len(LANGUAGES))
            ids = self.tokenizer.encode(rng.choice(captions(scene.scene, LANGUAGES[place]))).ids
            read.append([self.openings[place], *ids[:-1]])
            written.append(ids)
        reference = torch.stack([self._named(scene) for scene in scenes])
        lengths = torch.full((len(scenes),), features.shape[1])
        return SceneBatch(features, lengths, padded(read, PAD)[0], padded(written, PAD)[0], reference)

    def _named(self, picture: Picture) -> Int[Tensor, "K"]:
        """Of each patch the English noun of what most of it shows; the unknown token, where that is the ground."""
        size, groups = self.what.patch, len(picture.boxes)
        grid = self.what.grid
        cells = picture.shown.reshape(grid, size, grid, size).transpose(0, 2, 1, 3).reshape(grid * grid, -1)
        shares = np.stack([(cells == group).mean(axis=1) for group in range(groups)], axis=1)  # K groups
        best = shares.argmax(axis=1)
        ids = np.array([self.names[group.noun] for group in picture.scene.groups])
        return torch.from_numpy(np.where(shares.max(axis=1) >= COVERED, ids[best], UNKNOWN))


class _Epoch(Sequence[SceneBatch]):
    def __init__(self, batches: SceneBatches, seed: int, places: range) -> None:
        self.batches, self.seed, self.places = batches, seed, places

    def __len__(self) -> int:
        return len(self.places)

    @overload
    def __getitem__(self, place: int) -> SceneBatch: ...
    @overload
    def __getitem__(self, place: slice) -> "_Epoch": ...
    def __getitem__(self, place: int | slice) -> "SceneBatch | _Epoch":
        if isinstance(place, slice):
            return _Epoch(self.batches, self.seed, self.places[place])
        return self.batches.batch(self.seed * 1_000_003 + self.places[place])
