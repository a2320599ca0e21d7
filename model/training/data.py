"""Parallel sentences: reading, splitting without leaks, and batches of like lengths."""

import hashlib
import io
import random
import zipfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from heedmap.model.errors import InputError
from heedmap.model.native.tokenizer import END, PAD, Tokenizer
from heedmap.model.padding import padded


@dataclass(frozen=True)
class Pair:
    """A source sentence and one translation; links between their words, source first, where somebody aligned them."""

    source: str
    target: str
    links: frozenset[tuple[int, int]] | None = None


@dataclass(frozen=True)
class Reference:
    """A source sentence and every translation that the corpus has of it."""

    source: str
    targets: tuple[str, ...]


@dataclass(frozen=True)
class Split:
    """Three parts that share no sentence of either language."""

    train: list[Pair]
    valid: list[Reference]
    test: list[Reference]


def sha256(path: Path) -> str:
    """The file's SHA-256, as hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def read_pairs(path: Path, swap: bool = False) -> list[Pair]:
    """Tab-separated sentence pairs, source first unless `swap`, from a text file or the .txt of a zip.

    Raises:
        InputError: a line without a tab, no UTF-8, or a zip that is none or is without the file.
    """
    try:
        stream = io.StringIO(_text(path))
    except UnicodeDecodeError as error:
        raise InputError(f"{path.name} is not UTF-8: byte {error.start}") from error
    except zipfile.BadZipFile as error:
        raise InputError(f"{path.name} is no zip archive, though its name says so") from error
    pairs = []
    for number, line in enumerate(stream, 1):
        cells = line.rstrip("\n").split("\t")
        if len(cells) < 2 or not cells[0].strip() or not cells[1].strip():
            raise InputError(f"{path.name} line {number}: expected two sentences with a tab between")
        source, target = (cells[1], cells[0]) if swap else (cells[0], cells[1])
        pairs.append(Pair(source.strip(), target.strip()))
    return pairs


def _text(path: Path) -> str:
    """The text of a file, or of the one text in a zip."""
    if path.suffix != ".zip":
        return path.read_text(encoding="utf-8")
    with zipfile.ZipFile(path) as archive:
        names = [n for n in archive.namelist() if n.endswith(".txt") and not n.startswith("_")]
        if len(names) != 1:
            raise InputError(f"{path.name} must hold exactly one sentence file (*.txt), found {names}")
        return archive.read(names[0]).decode("utf-8")


def split(pairs: list[Pair], valid: int, test: int, seed: int) -> Split:
    """Split by connected groups: pairs joined by an equal source or an equal target stay together.

    Whole groups, in random order, go to the test part until it has `test` source sentences, then to the validation
    part; the rest trains. Every source of the held-out parts keeps all of its translations as references.
    """
    parent: dict[tuple[str, str], tuple[str, str]] = {}

    def root(node: tuple[str, str]) -> tuple[str, str]:
        parent.setdefault(node, node)
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    for pair in pairs:
        parent[root(("source", pair.source))] = root(("target", pair.target))
    groups: dict[tuple[str, str], list[Pair]] = defaultdict(list)
    for pair in pairs:
        groups[root(("source", pair.source))].append(pair)
    order = sorted(groups.values(), key=lambda group: (group[0].source, group[0].target))
    random.Random(seed).shuffle(order)
    held: list[list[Reference]] = []
    for size in (test, valid):
        part: list[Reference] = []
        while order and len(part) < size:
            targets: dict[str, list[str]] = defaultdict(list)
            for pair in order.pop():
                targets[pair.source].append(pair.target)
            part += [Reference(source, tuple(sorted(set(t)))) for source, t in targets.items()]
        held.append(part)
    return Split([pair for group in order for pair in group], valid=held[1], test=held[0])


@runtime_checkable
class Batch(Protocol):
    """What one training step reads."""

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """What the network's `hidden` takes."""

    @property
    def labels(self) -> Tensor:
        """The token to predict at each place of `hidden`'s result; PAD where there is none."""

    @property
    def tokens(self) -> int:
        """Labels that count."""


@runtime_checkable
class Epochs(Protocol):
    """A corpus in batches."""

    def epoch(self, seed: int) -> "Sequence[Batch]":
        """One pass over the corpus in an order of its own."""


@dataclass(frozen=True)
class PairBatch:
    """Padded ids: source (B K) closed by the end token; target (B Q) in, and the token to predict at each place."""

    source: Tensor
    source_lengths: Tensor
    target: Tensor
    labels: Tensor  # PAD where there is nothing to predict

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """What the network's `hidden` takes."""
        return self.source, self.source_lengths, self.target

    @property
    def tokens(self) -> int:
        """Target tokens that count."""
        return int((self.labels != PAD).sum())


class Batches:
    """Batches of about so many tokens, all sources of a batch of one length, so that nothing is masked."""

    def __init__(self, pairs: list[Pair], tokenizer: Tokenizer, tokens: int, longest: int = 100) -> None:
        self.tokens = tokens
        sources = tokenizer.backend.encode_batch([p.source for p in pairs], add_special_tokens=False)
        targets = tokenizer.backend.encode_batch([p.target for p in pairs], add_special_tokens=False)
        both = [([*s.ids, END], [*t.ids, END]) for s, t in zip(sources, targets, strict=True)]
        self.kept = [index for index, (s, t) in enumerate(both) if len(s) <= longest and len(t) <= longest]
        self.examples = [both[index] for index in self.kept]

    def epoch(self, seed: int) -> Sequence[PairBatch]:
        """One pass over all pairs, in batches of like lengths in random order."""
        return [collate([self.examples[index] for index in members]) for members in self.order(seed)]

    def order(self, seed: int) -> list[list[int]]:
        """The places of the examples, batch by batch."""
        rng = random.Random(seed)
        order = [(len(s), len(t) + rng.random() * 2, index) for index, (s, t) in enumerate(self.examples)]
        order.sort()
        batches, start = [], 0
        while start < len(order):
            length, stop, widest = order[start][0], start, 0
            while stop < len(order) and order[stop][0] == length:
                widest = max(widest, int(order[stop][1]) + 1)
                if (stop + 1 - start) * (length + widest) > 2 * self.tokens and stop > start:
                    break
                stop += 1
            batches.append([index for _, _, index in order[start:stop]])
            start = stop
        rng.shuffle(batches)
        return batches

    def __iter__(self) -> Iterator[PairBatch]:
        seed = 0
        while True:
            yield from self.epoch(seed)
            seed += 1


def collate(examples: list[tuple[list[int], list[int]]]) -> PairBatch:
    """A batch of (source ids, target ids), each closed by the end token; the decoder starts from the end token."""
    sources, targets = [s for s, _ in examples], [t for _, t in examples]
    lengths = torch.tensor([len(s) for s in sources])
    read, written, expected = (padded(rows, PAD)[0] for rows in (sources, [[END, *t[:-1]] for t in targets], targets))
    return PairBatch(read, lengths, written, expected)
