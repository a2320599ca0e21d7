"""What a Transformer's decoder keeps between its steps, and what a pass may be asked for besides."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from heedmap.model.attention.editor import Editor
from heedmap.model.attention.edits import LayerEdits
from heedmap.model.attention.masks import Mask, Padding
from heedmap.model.shapes import TokenIds


class TappedHead:
    """Asks a pass for the logarithms of one cross head's weights (B T K); the other heads stay fused."""

    def __init__(self, layer: int, head: int) -> None:
        self.layer, self.head = layer, head
        self.log_weights: Float[Tensor, "B T K"] | None = None


class LayerCache:
    """Keys and values of one decoder layer: the source's, projected once, and those of the steps so far."""

    def __init__(self, source_k: Tensor, source_v: Tensor) -> None:
        self.source_k, self.source_v = source_k, source_v  # B G K D
        self.k: Tensor | None = None
        self.v: Tensor | None = None

    def extend(self, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Append a step's keys and values, and return all of them."""
        self.k = k if self.k is None else torch.cat([self.k, k], dim=2)
        self.v = v if self.v is None else torch.cat([self.v, v], dim=2)
        return self.k, self.v

    def reorder(self, rows: Tensor) -> None:
        """Keep these rows of the batch, in this order: beams that lived, sequences still running."""
        self.source_k, self.source_v = self.source_k[rows], self.source_v[rows]
        if self.k is not None and self.v is not None:
            self.k, self.v = self.k[rows], self.v[rows]


class TransformerState:
    """All that a decoding step needs from before it."""

    def __init__(
        self,
        caches: Sequence[LayerCache],
        source: Mask | None,
        editor: Editor | None = None,
        ids: TokenIds | None = None,
    ) -> None:
        self.caches, self.source, self.editor, self.length = caches, source, editor, 0
        self.ids = ids  # of the source (B K), where some head copies from it

    def edits(self, layer: int) -> tuple[LayerEdits | None, LayerEdits | None]:
        """What is done to the two attentions of a layer."""
        if self.editor is None:
            return None, None
        return self.editor.layer("decoder", layer), self.editor.layer("cross", layer)

    def reorder(self, rows: Tensor) -> None:
        """Keep these rows of the batch, in this order."""
        for cache in self.caches:
            cache.reorder(rows)
        if isinstance(self.source, Padding):
            self.source = Padding(self.source.lengths[rows])
        self.ids = None if self.ids is None else self.ids[rows]
