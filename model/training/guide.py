"""Teaching one cross head to align: reference alignments of tokens, and the loss that guides the head to them.

Garg et al. 2019, "Jointly learning to align and translate with Transformer models": the cross-entropy of one head's
weights against alignments made elsewhere, beside the loss of the translation. Their head aligns in the row that writes
a token; ours may also in the row that reads it (Chen et al. 2020), where the decoder knows what it has written.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from heedmap.model.errors import CheckpointError, InputError
from heedmap.model.measures.alignment_error import Links, parse_links
from heedmap.model.measures.word_alignment import content_words
from heedmap.model.native.tokenizer import SPECIAL, Encoding, Tokenizer
from heedmap.model.native.transformer import AlignmentHead, Transformer
from heedmap.model.native.transformer_state import TappedHead
from heedmap.model.prediction import Axis
from heedmap.model.taught_head import Reading
from heedmap.model.training.data import Batches, Pair, PairBatch, collate
from heedmap.model.words import split

WEIGHT = 0.5
"""Of the guiding loss beside that of the translation."""

TokenLinks = list[tuple[int, int]]
"""Pairs of places of tokens, target first."""


@dataclass(frozen=True)
class Guide:
    """The head that is taught, in which reading, and how much its loss counts.

    alone: nothing else learns; what follows the head is fitted afterwards to what it did before (`settle`), and so,
    nearly, stays what the network translates.
    """

    head: AlignmentHead
    weight: float = WEIGHT
    alone: bool = False

    @classmethod
    def parse(cls, place: str, reading: Reading = "input", weight: float = WEIGHT, alone: bool = False) -> "Guide":
        """The head LAYER.HEAD, taught in this row of a token.

        Raises:
            InputError: it does not read so.
        """
        layer, _, head = place.partition(".")
        if not (layer.isdecimal() and head.isdecimal()):
            raise InputError(f"expected a head as LAYER.HEAD, numbers from 0 such as 1.0, got {place[:40]!r}")
        return cls(AlignmentHead(layer=int(layer), head=int(head), reading=reading), weight, alone)

    def freeze(self, network: Transformer) -> None:
        """Let nothing of a network learn but the head's part of four projections.

        Raises:
            CheckpointError: other heads share its keys.
        """
        cross = list(network.decoder_layers())[self.head.layer].cross
        if cross.kv_heads != cross.heads:
            raise CheckpointError("several heads share keys in this network, and none of them is taught alone")
        network.requires_grad_(False)
        part = slice(self.head.head * cross.size, (self.head.head + 1) * cross.size)
        for projection in (cross.query, cross.key, cross.value):
            for parameter in projection.parameters():
                _learn(parameter, part, 0)
        _learn(cross.output.weight, part, 1)

    def hidden(
        self, network: Transformer, inputs: Sequence[Tensor], reference: Float[Tensor, "B T K"]
    ) -> tuple[Float[Tensor, "B T M"], Float[Tensor, ""]]:
        """Hidden states of a batch under teacher forcing, and the weighted loss of the head in that pass."""
        tapped = TappedHead(self.head.layer, self.head.head)
        source, lengths, target = inputs
        hidden = network.hidden(source, lengths, target, tapped)
        assert tapped.log_weights is not None, "the layer is one of the network's"
        return hidden, self.weight * guided_cross_entropy(tapped.log_weights, reference)


@dataclass(frozen=True)
class GuidedBatch(PairBatch):
    """A batch with where one head should look, (B T K): rows that sum to 1, or to 0 where nothing is known."""

    reference: Tensor


class GuidedBatches(Batches):
    """Batches of pairs whose words are aligned; pairs without links are translated alone."""

    def __init__(
        self, pairs: list[Pair], tokenizer: Tokenizer, tokens: int, reading: Reading, longest: int = 100
    ) -> None:
        super().__init__(pairs, tokenizer, tokens, longest)
        self.reading = reading
        self.links = [token_links(pairs[index], tokenizer) for index in self.kept]

    def epoch(self, seed: int) -> Sequence[GuidedBatch]:
        """One pass over all pairs, in batches of like lengths in random order."""
        return [self._batch(members) for members in self.order(seed)]

    def _batch(self, members: list[int]) -> GuidedBatch:
        plain = collate([self.examples[index] for index in members])
        reference = plain.source.new_zeros((*plain.target.shape, plain.source.shape[1]), dtype=torch.float32)
        for row, index in enumerate(members):
            links = self.links[index]
            if links is not None:
                lengths = tuple(map(len, self.examples[index]))
                part = reference_rows(links, lengths[1], lengths[0], self.reading)
                reference[row, : part.shape[0], : part.shape[1]] = part
        return GuidedBatch(plain.source, plain.source_lengths, plain.target, plain.labels, reference)


def _learn(parameter: Tensor, part: slice, dim: int) -> None:
    """Let a part of a parameter learn: rows (dim 0), or columns (1)."""
    mask = torch.zeros_like(parameter)
    mask.movedim(dim, 0)[part] = 1
    parameter.requires_grad_(True)
    parameter.register_hook(lambda gradient: gradient * mask.to(gradient))  # type: ignore[no-untyped-call]


def guided_cross_entropy(log_weights: Float[Tensor, "B T K"], reference: Float[Tensor, "B T K"]) -> Float[Tensor, ""]:
    """Mean over guided rows of the cross-entropy, in nats, of a head's weights against where it should look."""
    guided = reference.sum(dim=-1) > 0
    # Masked keys have a logarithm of -inf and no share in any reference: 0 * -inf is no number.
    parts = torch.where(reference > 0, reference * log_weights, 0.0)
    return -parts.sum() / guided.sum().clamp(min=1)


def reference_rows(links: TokenLinks, queries: int, keys: int, reading: Reading) -> Float[Tensor, "T K"]:
    """Where each row of the decoder should look, of tokens' links; both lengths count the end tokens.

    A token's row is that which writes it, or the next one, which reads it. It looks at all its links alike; one that
    has none at the source's end token, which stands for nothing.
    """
    shift = 1 if reading == "input" else 0
    tokens = torch.zeros(queries, keys)
    for target, source in links:
        tokens[target, source] = 1
    without = tokens.sum(dim=1) == 0
    tokens[without, keys - 1] = 1
    tokens = tokens / tokens.sum(dim=1, keepdim=True)
    rows = torch.zeros(queries, keys)
    rows[shift:] = tokens[: queries - shift]
    return rows


def token_links(pair: Pair, tokenizer: Tokenizer) -> TokenLinks | None:
    """The links between the tokens of a pair's linked words; None where nobody aligned it, or its words are others."""
    if pair.links is None:
        return None
    source, target = (content_words(_axis(tokenizer.encode(text))) for text in (pair.source, pair.target))
    if (len(source), len(target)) != (len(split(pair.source)), len(split(pair.target))):
        return None  # a token that reaches over two words
    if any(s >= len(source) or t >= len(target) for s, t in pair.links):
        raise InputError(f"a link is beyond the words of {pair.source[:60]!r} and {pair.target[:60]!r}", field="align")
    return [(b, a) for s, t in sorted(pair.links) for b in target[t].tokens for a in source[s].tokens]


def read_links(path: Path) -> list[Links]:
    """Lines in Pharaoh's format, a line for each pair; possible links count as links.

    Raises:
        InputError: a line does not read so.
    """
    links = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            links.append(parse_links(line).possible)
        except InputError as error:
            raise InputError(f"{path.name} line {number}: {error}", field="align") from error
    return links


def with_links(pairs: Iterable[Pair], links: Iterable[Links]) -> list[Pair]:
    """Pairs with their alignments, line by line.

    Raises:
        InputError: there are more of the one than of the other.
    """
    both = []
    for number, (pair, found) in enumerate(zip_longest(pairs, links), 1):
        if pair is None or found is None:
            missing = "pairs" if pair is None else "lines of links"
            raise InputError(f"the {missing} end before line {number}: there must be as many of both", field="align")
        both.append(Pair(pair.source, pair.target, found))
    return both


def _axis(encoding: Encoding) -> Axis:
    special = [token < len(SPECIAL) for token in encoding.ids]
    return Axis("text", encoding.labels, encoding.ids, encoding.spans, special)
