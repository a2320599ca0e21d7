"""The gradient of the weights times the weights."""

from jaxtyping import Float
from torch import Tensor

from heedmap.model.attention.maps import AttentionMap
from heedmap.model.measures.base import CellMeasure
from heedmap.model.measures.gradient import WHERE, lacks_gradient, products


class GradientAttention(CellMeasure):
    """A_ij dL/dA_ij: a row's cells sum to <dO_i, O_i>, and a head's to minus the estimated effect of silencing it."""

    name = "gradient-attention"
    description = "The gradient of the weight times the weight: the part of the answer that came this way."
    formula = "A_ij <dO_i, v_j>"
    source = "Hao et al. 2021, Self-attention attribution; with the gradient at the input's own weights"
    range = "any number, in the objective's units; a head's cells sum to what silencing it is estimated to take away"
    signed = True
    objective = True
    cost = "Two dot products a cell."
    where = WHERE
    example = "Which of the words that this head looks at speak for the answer, and which against it?"

    def defined(self, layer: AttentionMap) -> str | None:
        """Where there are values and an objective."""
        return lacks_gradient(layer)

    def window(self, layer: AttentionMap, rows: slice, cols: slice) -> Float[Tensor, "H R C"]:
        """The product on a block."""
        weights = layer.window(rows, cols)
        return weights.mul_(products(layer, rows, cols))
