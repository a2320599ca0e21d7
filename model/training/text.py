"""Running text for a language model: reading, splitting by place, and batches of windows."""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from heedmap.model.errors import InputError
from heedmap.model.native.tokenizer import ByteTokenizer

HELD_OUT = 0.05  # of the text for each of the held-out parts: they are its end, so that no window crosses into training


@dataclass(frozen=True)
class TextSplit:
    """Three parts of one text, in their order."""

    train: str
    valid: str
    test: str


def read_text(path: Path) -> TextSplit:
    """A UTF-8 text, its last parts held out.

    Raises:
        InputError: it is empty or no UTF-8.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path.name} is not UTF-8: byte {error.start}") from error
    if len(text) < 1 / HELD_OUT:
        raise InputError(f"{path.name} has {len(text)} characters, too few to hold parts out")
    first, second = int(len(text) * (1 - 2 * HELD_OUT)), int(len(text) * (1 - HELD_OUT))
    return TextSplit(text[:first], text[first:second], text[second:])


@dataclass(frozen=True)
class TextBatch:
    """Windows of a text: ids (B Q), and the token after each."""

    ids: Tensor
    labels: Tensor

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """What the network's `hidden` takes."""
        return (self.ids,)

    @property
    def tokens(self) -> int:
        """Tokens to predict: all."""
        return self.labels.numel()


class Windows:
    """A text in windows, cut at other places in every epoch; most are short, since they cost less, and some are long.

    Args:
        text: to train on.
        tokenizer: its bytes.
        tokens: of a batch.
        lengths: of the windows; every batch draws one, so that one that stands there twice is drawn twice as often.
    """

    def __init__(self, text: str, tokenizer: ByteTokenizer, tokens: int, lengths: Sequence[int]) -> None:
        self.ids = torch.tensor(tokenizer.encode(text).ids)
        self.tokens, self.lengths = tokens, [min(length, len(self.ids) - 1) for length in lengths]

    def epoch(self, seed: int) -> list[TextBatch]:
        """About as many tokens as the text has, in random order."""
        rng = random.Random(seed)
        batches, left = [], len(self.ids) - 1
        while left > 0:
            length = rng.choice(self.lengths)
            rows = max(1, self.tokens // length)
            starts = [rng.randint(0, len(self.ids) - 1 - length) for _ in range(rows)]
            whole = torch.stack([self.ids[start : start + length + 1] for start in starts])
            batches.append(TextBatch(whole[:, :-1], whole[:, 1:]))
            left -= rows * length
        return batches


def bits_per_byte(nats: float, tokens: int) -> float:
    """Mean cross-entropy in bits: a token is a byte."""
    return nats / tokens / math.log(2)
