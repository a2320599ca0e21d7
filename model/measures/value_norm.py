"""Weights times the size of what they move."""

import torch
from jaxtyping import Float
from torch import Tensor

from heedmap.model.attention.maps import AttentionMap, span
from heedmap.model.attention.operators import spread
from heedmap.model.measures.base import NO_VALUES, CellMeasure


class ValueNorm(CellMeasure):
    """A_ij ||v_j||: a large weight on a key whose value is nearly zero moves nothing.

    Kobayashi et al. 2020, "Attention is not only a weight", without the output projection.
    """

    name = "value-norm"
    description = "The weight times the length of the value vector that it multiplies."
    formula = "A_ij ||v_j||"
    source = "Kobayashi et al. 2020, Attention is not only a weight, without the output projection"
    range = "0 and more, in the units of the values"
    cost = "One dot product a cell, and one norm a column."
    where = "where the layer's values are known: not of families that give their weights alone"
    example = "Is this head's attention on the end token a signal, or a place to rest?"

    def defined(self, layer: AttentionMap) -> str | None:
        """Where there are values."""
        return None if layer.v.shape[2] else NO_VALUES

    def window(self, layer: AttentionMap, rows: slice, cols: slice) -> Float[Tensor, "H R C"]:
        """The product on a block."""
        keys = span(cols, layer.shape[1], "cols")
        norms: Tensor = torch.linalg.vector_norm(
            spread(layer.v[:, keys.start : keys.stop], layer.heads).float(), dim=-1
        )
        return layer.window(rows, cols) * norms[:, None, :]
