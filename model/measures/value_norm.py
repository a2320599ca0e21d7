"""Weights times the size of what they move."""

import torch
from jaxtyping import Float
from torch import Tensor

from heedmap.model.attention.maps import AttentionMap, span
from heedmap.model.attention.operators import spread
from heedmap.model.measures.base import Measure


class ValueNorm(Measure):
    """A_ij ||v_j||: a large weight on a key whose value is nearly zero moves nothing.

    Kobayashi et al. 2020, "Attention is not only a weight", without the output projection.
    """

    name = "value-norm"
    description = "The weight times the length of the value vector that it multiplies."
    cost = "One dot product a cell, and one norm a column."
    example = "Is this head's attention on the end token a signal, or a place to rest?"

    def window(self, layer: AttentionMap, rows: slice, cols: slice) -> Float[Tensor, "H R C"]:
        """The product on a block."""
        keys = span(cols, layer.shape[1], "cols")
        norms: Tensor = torch.linalg.vector_norm(
            spread(layer.v[:, keys.start : keys.stop], layer.heads).float(), dim=-1
        )
        return layer.window(rows, cols) * norms[:, None, :]
