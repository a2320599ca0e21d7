"""The attention weights themselves."""

from jaxtyping import Float
from torch import Tensor

from heedmap.model.attention.maps import AttentionMap
from heedmap.model.measures.base import CellMeasure


class Weights(CellMeasure):
    """A_ij, exactly as the kernel had it."""

    name = "weights"
    description = "The attention weight of each query on each key, as the kernel had it."
    formula = "A_ij = exp(score(q_i, k_j) + bias_ij - lse_i)"
    source = "Vaswani et al. 2017, Attention is all you need"
    range = "0 to 1; a row sums to 1 but where the model has sinks"
    cost = "One dot product a cell."
    example = "Which source word does this target word look at?"
    encoding = "u8log"

    def window(self, layer: AttentionMap, rows: slice, cols: slice) -> Float[Tensor, "H R C"]:
        """The weights of a block."""
        return layer.window(rows, cols)
