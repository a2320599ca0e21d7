"""Multi-head attention with grouped key/value heads (Vaswani et al. 2017; Ainslie et al. 2023)."""

import math
from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from heedmap.model.attention.biases import Bias, Edited
from heedmap.model.attention.edits import LayerEdits
from heedmap.model.attention.kernels import attend, forward_only
from heedmap.model.attention.masks import Mask
from heedmap.model.attention.positions import rotate
from heedmap.model.attention.products import gram_of, parts_of
from heedmap.model.attention.scores import ScaledDot, Score
from heedmap.model.shapes import Angles, Hidden, Memory


@runtime_checkable
class AttentionRecorder(Protocol):
    """Takes what one attention layer computed, in the order of the layers, as `model/trace/recorder.py` does."""

    def record(
        self,
        site: str,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        lse: Tensor,
        output: Tensor,
        *,
        score: Score,
        mask: Mask | None,
        kernel: str,
        gram: Callable[[], Tensor | None] | None = None,
        parts: Callable[[], Tensor | None] | None = None,
        edited: Callable[[Bias | None], Edited] | None = None,
        tapes: Sequence[Tensor] = (),
    ) -> None:
        """q (B H Q D), k and v (B G K D), lse (B H Q), output (B H Q D) of one layer of a site.

        It may make `output` the beginning of a graph, so nobody goes on with it before.

        Args:
            gram: makes W_O W_O^T (H D D), W_O being each head's part of the output projection; or None.
            parts: makes these parts (H D M); or None.
            edited: makes the bias that edits left of the layer's own.
            tapes: what the pass went on with, where that is not `output`; parts along the queries were followed first.
        """

    def follow(self, output: Tensor) -> None:
        """See to it that the graph, if there will be one, knows an output with which the pass goes on."""


class MultiHeadAttention(nn.Module):
    """Projections around one attention kernel.

    Args:
        width: M, of the inputs and of the output.
        heads: H query heads of size D = width / heads.
        kv_heads: G key/value heads, H by default; H % G == 0.
        dropout: of the weights, in training only.
        bias: whether the projections add one.

    Raises:
        ValueError: the heads do not divide the width, or the groups the heads.
    """

    def __init__(
        self, width: int, heads: int, kv_heads: int | None = None, dropout: float = 0.0, bias: bool = True
    ) -> None:
        super().__init__()
        kv_heads = heads if kv_heads is None else kv_heads
        if heads < 1 or width % heads:
            raise ValueError(f"heads must divide the width: width {width}, heads {heads}")
        if kv_heads < 1 or heads % kv_heads:
            raise ValueError(f"kv_heads must divide the heads: heads {heads}, kv_heads {kv_heads}")
        self.heads, self.kv_heads, self.size, self.dropout = heads, kv_heads, width // heads, dropout
        self.query = nn.Linear(width, heads * self.size, bias)
        self.key = nn.Linear(width, kv_heads * self.size, bias)
        self.value = nn.Linear(width, kv_heads * self.size, bias)
        self.output = nn.Linear(heads * self.size, width, bias)
        self._gram: tuple[tuple[int, int, torch.device], Tensor] | None = None

    def gram(self) -> Float[Tensor, "H D D"]:
        """The Gram matrix of each head's part of the output projection, in float32: made when the weights are new."""
        weight = self.output.weight
        key = weight.data_ptr(), 0 if weight.is_inference() else weight._version, weight.device
        if self._gram is None or self._gram[0] != key:
            self._gram = key, gram_of(weight, self.heads)
        return self._gram[1]

    def parts(self) -> Float[Tensor, "H D M"]:
        """Each head's part of the output projection, in float32."""
        return parts_of(self.output.weight, self.heads)

    def keys_values(
        self, memory: Memory, angles: Angles | None = None
    ) -> tuple[Float[Tensor, "B G K D"], Float[Tensor, "B G K D"]]:
        """Project what is attended to, once per sequence, then cached; angles turn the keys by their places."""
        shape = (*memory.shape[:2], self.kv_heads, self.size)
        k, v = self.key(memory).view(shape).transpose(1, 2), self.value(memory).view(shape).transpose(1, 2)
        return (k if angles is None else rotate(k, angles)), v

    def log_weights(
        self, hidden: Hidden, k: Float[Tensor, "B G K D"], head: int, mask: Mask | None = None
    ) -> Float[Tensor, "B Q K"]:
        """Logarithms of one head's weights, formed whole and in float32: for losses on them, at training lengths."""
        rows = slice(head * self.size, (head + 1) * self.size)
        bias: Tensor | None = self.query.bias  # None where the projections add none
        q = F.linear(hidden, self.query.weight[rows], bias if bias is None else bias[rows])  # B Q D
        keys = k[:, head * self.kv_heads // self.heads]  # B K D
        scores = (q @ keys.mT).float() / math.sqrt(self.size)
        if mask is not None:
            scores = scores.masked_fill(~mask.dense(q.shape[1], keys.shape[1], q.device), -math.inf)
        return scores.log_softmax(dim=-1)

    def forward(
        self,
        hidden: Hidden,
        k: Float[Tensor, "B G K D"],
        v: Float[Tensor, "B G K D"],
        mask: Mask | None = None,
        recorder: AttentionRecorder | None = None,
        site: str = "encoder",
        angles: Angles | None = None,
        edits: LayerEdits | None = None,
        start: int = 0,
    ) -> Hidden:
        """Attend from `hidden` to keys and values that `keys_values` made; with `recorder`, hand q, k, v, lse over.

        Args:
            edits: changes to it; `start` is then the first query's place in the sequence.
        """
        batch, queries, _ = hidden.shape
        q = self.query(hidden).view(batch, queries, self.heads, self.size).transpose(1, 2)  # B H Q D
        if angles is not None:
            q = rotate(q, angles)
        if edits is not None:
            mixed = self._edited(q, k, v, mask, recorder, site, edits, start)
        elif recorder is None:
            mixed = forward_only(q, k, v, mask, self.dropout if self.training else 0.0)
        else:
            mixed, lse, kernel = attend(q, k, v, mask)
            score = ScaledDot.for_size(self.size)
            recorder.record(
                site, q, k, v, lse, mixed, score=score, mask=mask, kernel=kernel, gram=self.gram, parts=self.parts
            )
        combined: Tensor = self.output(mixed.transpose(1, 2).reshape(batch, queries, -1))  # B Q M
        return combined

    def _edited(
        self,
        q: Float[Tensor, "B H Q D"],
        k: Float[Tensor, "B G K D"],
        v: Float[Tensor, "B G K D"],
        mask: Mask | None,
        recorder: AttentionRecorder | None,
        site: str,
        edits: LayerEdits,
        start: int,
    ) -> Float[Tensor, "B H Q D"]:
        """The heads' outputs under edits."""
        done = edits.attend(q, k, v, mask, None, ScaledDot.for_size(self.size), start)
        if recorder is not None:
            facts: dict[str, Any] = {"score": done.score, "mask": mask, "kernel": done.kernel, "edited": done.edited}
            facts |= {"gram": self.gram, "parts": self.parts, "tapes": (done.mixed,)}
            recorder.record(site, done.q, k, v, done.lse, done.output, **facts)
        return done.mixed
