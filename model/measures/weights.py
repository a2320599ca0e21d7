"""The attention weights themselves."""

from jaxtyping import Float
from torch import Tensor

from heedmap.model.attention.maps import AttentionMap
from heedmap.model.measures.base import Measure


class Weights(Measure):
    """A_ij, exactly as the kernel had it."""

    name = "weights"
    description = "The attention weight of each query on each key, as the kernel had it."
    cost = "One dot product a cell."
    example = "Which source word does this target word look at?"

    def window(self, layer: AttentionMap, rows: slice, cols: slice) -> Float[Tensor, "H R C"]:
        """The weights of a block."""
        return layer.window(rows, cols)
