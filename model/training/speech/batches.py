"""Batches of spoken strings, composed while they are asked for: no two epochs hear the same."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from heedmap.model.native.feature_transformer import opening
from heedmap.model.native.log_mel import LogMel
from heedmap.model.native.tokenizer import END, PAD, UNKNOWN, Tokenizer
from heedmap.model.padding import padded
from heedmap.model.training.speech.clips import Clip
from heedmap.model.training.speech.strings import TRAINING, Spoken, Variety, Vocabulary, compose

COUNTS = {0: 0.03, 1: 0.22, 2: 0.15, 3: 0.15, 4: 0.15, 5: 0.15, 6: 0.15}
"""Words in a string, and how often; a recording without any teaches that there may be none."""
MOST_WORDS = max(COUNTS)
PLACES_WEIGHT = 0.5  # of the loss of what each place of the encoder hears, beside that of the words
BATCHES = 200  # an epoch: nothing is ever heard twice, so it is only how often the run reports
LANGUAGE = "en"
TOGETHER = 4  # batches composed at once and parted by length, so that little of them is padding
NOTHING = UNKNOWN  # the label of a place of the encoder at which nobody speaks

TIME_MASKS, TIME_MASK = 1, 10  # SpecAugment (Park et al. 2019): stretches hidden, and frames of the longest
BAND_MASKS, BAND_MASK = 1, 6
WARP = 0.08  # vocal tract lengths, either way (Jaitly and Hinton 2013): voices of other people at the same pace


@dataclass(frozen=True)
class SpeechBatch:
    """Frames (B T E) padded with zeros; target (B Q) in, and the token to predict at each place.

    places: of each place of the encoder (B K) the word that is said then.
    """

    frames: Float[Tensor, "B T E"]
    lengths: Int[Tensor, "B"]
    target: Int[Tensor, "B Q"]
    labels: Int[Tensor, "B Q"]  # PAD where there is nothing to predict
    places: Int[Tensor, "B K"]  # PAD beyond the recording

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """What the network's `hidden` takes."""
        return self.frames, self.lengths, self.target

    @property
    def reference(self) -> Tensor:
        """What a `PlaceTeacher` compares with."""
        return self.places

    @property
    def tokens(self) -> int:
        """Target tokens that count."""
        return int((self.labels != PAD).sum())


class Strings:
    """Batches of `size` strings drawn from several sets of clips; an epoch has `count` of them.

    shares: how often a string is drawn from each set.
    """

    def __init__(
        self,
        sets: Sequence[Sequence[Clip]],
        shares: Sequence[float],
        tokenizer: Tokenizer,
        features: LogMel,
        stride: int,
        size: int,
        count: int,
        variety: Variety = TRAINING,
    ) -> None:
        self.vocabularies, self.shares = [Vocabulary(clips) for clips in sets], np.array(shares) / sum(shares)
        self.others = [clip for clips in sets for clip in clips]
        self.tokenizer, self.features, self.stride = tokenizer, features, stride
        self.size, self.count, self.variety = size, count, variety
        self.opening = tokenizer.one(opening(LANGUAGE), "language")
        self.ids = {word: tokenizer.one(word, "word") for v in self.vocabularies for word in v.words}

    def epoch(self, seed: int) -> "Epoch":
        """One pass, whose batches are composed when they are taken."""
        return Epoch(self, seed, range(self.count))

    def together(self, seed: int, index: int) -> list[SpeechBatch]:
        """`TOGETHER` batches, of strings of like lengths each, in random order."""
        rng = np.random.default_rng((seed, index))
        spoken = sorted((self.draw(rng) for _ in range(self.size * TOGETHER)), key=lambda s: len(s.samples))
        parts = [spoken[start : start + self.size] for start in range(0, len(spoken), self.size)]
        return [self.batch(rng, parts[place]) for place in rng.permutation(len(parts))]

    def draw(self, rng: np.random.Generator) -> Spoken:
        """A string of one set's words, or of words of all."""
        count = int(rng.choice(list(COUNTS), p=list(COUNTS.values())))
        return compose(rng, self.clips(rng, count), self.variety, self.others)

    def clips(self, rng: np.random.Generator, count: int) -> list[Clip]:
        """The words of a string: of one speaker or, as often as not, each of anybody."""

        def pick() -> Vocabulary:
            return self.vocabularies[int(rng.choice(len(self.vocabularies), p=self.shares))]

        if rng.random() < 0.5:
            return pick().of_one(rng, count)
        return [pick().any(rng) for _ in range(count)]

    def batch(self, rng: np.random.Generator, spoken: Sequence[Spoken]) -> SpeechBatch:
        """Strings as a batch, their frames partly hidden and warped."""
        rows = [self.varied(rng, self.features(torch.from_numpy(each.samples))) for each in spoken]
        lengths = torch.tensor([len(row) for row in rows])
        frames = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
        targets = [[*(self.ids[word] for word in each.words), END] for each in spoken]
        read, expected = (padded(r, PAD)[0] for r in ([[self.opening, *t[:-1]] for t in targets], targets))
        step = self.features.hop * self.stride / self.features.rate
        said = [
            place_labels(each, [self.ids[w] for w in each.words], -(-n // self.stride), step)
            for each, n in zip(spoken, lengths.tolist(), strict=True)
        ]
        return SpeechBatch(frames, lengths, read, expected, padded(said, PAD)[0])

    def varied(self, rng: np.random.Generator, frames: Float[Tensor, "T E"]) -> Float[Tensor, "T E"]:
        """Frames as of another vocal tract, with stretches of time and of bands hidden (at the mean, which is 0)."""
        frames = frames @ warp(frames.shape[1], 1 + rng.uniform(-WARP, WARP))
        for count, most, axis in ((TIME_MASKS, TIME_MASK, 0), (BAND_MASKS, BAND_MASK, 1)):
            for _ in range(rng.integers(count + 1)):
                width = int(rng.integers(min(most, frames.shape[axis] // 4) + 1))
                at = int(rng.integers(frames.shape[axis] - width + 1))
                frames.narrow(axis, at, width).zero_()
        return frames


class Epoch(Sequence[SpeechBatch]):
    """The batches of an epoch, composed one group after the other."""

    def __init__(self, strings: Strings, seed: int, places: range) -> None:
        self.strings, self.seed, self.places = strings, seed, places
        self.group: tuple[int, list[SpeechBatch]] | None = None

    def __len__(self) -> int:
        return len(self.places)

    @overload
    def __getitem__(self, index: int) -> SpeechBatch: ...
    @overload
    def __getitem__(self, index: slice) -> "Epoch": ...
    def __getitem__(self, index: int | slice) -> "SpeechBatch | Epoch":
        if isinstance(index, slice):
            return Epoch(self.strings, self.seed, self.places[index])
        group, place = divmod(self.places[index], TOGETHER)
        if self.group is None or self.group[0] != group:
            self.group = group, self.strings.together(self.seed, group)
        return self.group[1][place]

    def __iter__(self) -> Iterator[SpeechBatch]:
        return (self[index] for index in range(len(self)))


def place_labels(spoken: Spoken, ids: Sequence[int], places: int, step: float) -> list[int]:
    """Of each place of the encoder the word that is said in its middle, or that nothing is; `step` is its seconds."""
    labels = [NOTHING] * places
    for token, (start, stop) in zip(ids, spoken.bounds, strict=True):
        for place in range(places):
            if start <= (place + 0.5) * step < stop:
                labels[place] = token
    return labels


def warp(bands: int, factor: float) -> Float[Tensor, "E E"]:
    """What moves the content of each band to the one at `factor` times its place, by linear interpolation."""
    places = (torch.arange(bands) * factor).clamp(max=bands - 1)
    low = places.floor().long().clamp(max=bands - 2)
    share = places - low
    matrix = torch.zeros(bands, bands)
    matrix[low, torch.arange(bands)] = 1 - share
    matrix[low + 1, torch.arange(bands)] = share
    return matrix
