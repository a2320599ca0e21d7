"""What a recorder keeps of each attention of a pass, for a whole batch."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from heedmap.model.attention.biases import Bias, Edited
from heedmap.model.attention.masks import Given, Mask
from heedmap.model.attention.scores import Score
from heedmap.model.errors import TraceError
from heedmap.model.trace.certificate import EAGER
from heedmap.model.trace.norms import PostNorm


@dataclass(frozen=True, eq=False)
class AttentionRecord:
    """What one layer handed over, for a whole batch."""

    q: Tensor
    k: Tensor
    v: Tensor
    lse: Tensor
    output: Tensor
    score: Score
    mask: Mask
    bias: Tensor | Bias | None
    kernel: str
    gram: Callable[[], Tensor | None] | None = None  # makes W_O W_O^T of each head (H E E); None where it is not known
    parts: Callable[[], Tensor | None] | None = None  # makes W_O of each head (H E M); None where it is not known
    post_norm: Callable[[], tuple[PostNorm, Tensor] | None] | None = None  # makes what follows, and `gram` behind it
    summed: Tensor | None = None  # what the layer normalisation took (B Q M), where one followed on the residual
    patched: bool = False  # whether the model went on with other outputs than the weights give
    tapes: tuple[Tensor, ...] = ()  # the outputs as the graph knows them, while there is something to differentiate
    arrange: Callable[[Tensor], Tensor] | None = None  # what makes (B H Q E) of their gradients, one after the other
    edited: Callable[[Bias | None], Edited] | None = None  # makes the bias that edits left of the layer's own
    d_output: Tensor | None = None  # the objective's gradient at the output

    @property
    def shape(self) -> tuple[int, int]:
        """(Q, K), padding included."""
        return self.q.shape[2], self.k.shape[2]


@dataclass(frozen=True, eq=False)
class WeightsRecord:
    """What a layer handed over that gives nothing but its weights, (B H Q K)."""

    weights: Tensor
    kernel: str = EAGER

    @property
    def shape(self) -> tuple[int, int]:
        """(Q, K), padding included."""
        return self.weights.shape[2], self.weights.shape[3]


def differentiated(
    record: AttentionRecord | WeightsRecord, gradients: Iterator[Tensor | None]
) -> AttentionRecord | WeightsRecord:
    """The record with its own gradients, the next ones, and without its part of the graph."""
    assert isinstance(record, AttentionRecord)
    parts = [
        torch.zeros_like(tape) if gradient is None else gradient
        for tape, gradient in ((tape, next(gradients)) for tape in record.tapes)
    ]
    whole = parts[0] if len(parts) == 1 else torch.cat(parts, dim=2)
    d_output = whole if record.arrange is None else record.arrange(whole)
    return replace(record, tapes=(), arrange=None, d_output=d_output.detach())


def joined(chunks: list[AttentionRecord | WeightsRecord]) -> AttentionRecord:
    """The queries of all chunks with the keys of the last one, which hold those before; the first one's mask."""
    whole = [chunk for chunk in chunks if isinstance(chunk, AttentionRecord)]
    if len(whole) < len(chunks):
        raise TraceError("weights alone cannot be recorded in chunks")
    if any(isinstance(chunk.mask, Given) for chunk in whole if chunk.shape[0] > 1):
        raise TraceError("a mask that is given cell by cell cannot be recorded in chunks")
    q, lse, output = (torch.cat([getattr(chunk, name) for chunk in whole], dim=2) for name in ("q", "lse", "output"))
    parts = [chunk.summed for chunk in whole if chunk.summed is not None]
    summed = torch.cat(parts, dim=1) if len(parts) == len(whole) else None
    k, v, edited = whole[-1].k, whole[-1].v, whole[-1].edited
    return replace(whole[0], q=q, k=k, v=v, lse=lse, output=output, edited=edited, summed=summed)
