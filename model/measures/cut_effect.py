"""What hiding one key from one query would do, estimated."""

from jaxtyping import Float
from torch import Tensor

from heedmap.model.attention.maps import AttentionMap
from heedmap.model.measures.base import CellMeasure
from heedmap.model.measures.gradient import WHERE, against_row, lacks_gradient

# What float32 can say of 1 - A: a score of 16 is known to 1e-6, so a weight of 1 - 1e-5 may be 1. A key that has so
# much of its row leaves nothing to look at when it is hidden.
LEAST_LEFT = 1e-5


class CutEffect(CellMeasure):
    """The first-order effect on the objective of hiding key j from query i, the row renormalised.

    The output becomes (O_i - A_ij v_j) / (1 - A_ij); its difference from O_i is A_ij / (1 - A_ij) (O_i - v_j).
    """

    name = "cut-effect"
    description = "The estimated effect on the objective of hiding this key from this query; others share its weight."
    formula = "A_ij / (1 - A_ij) (<dO_i, O_i> - <dO_i, v_j>)"
    source = "first order in the head's output, exact in the softmax"
    range = f"any number, in the objective's units; 0 where no more than {LEAST_LEFT:.0e} of the row would be left"
    signed = True
    objective = True
    cost = "Two dot products a cell."
    where = WHERE
    example = "Had this word not been seen from here, how much less likely were the answer?"

    def defined(self, layer: AttentionMap) -> str | None:
        """Where there are values and an objective."""
        return lacks_gradient(layer)

    def window(self, layer: AttentionMap, rows: slice, cols: slice) -> Float[Tensor, "H R C"]:
        """The estimate on a block."""
        weights = layer.window(rows, cols)
        left = 1 - weights
        odds = weights.div_(left.clamp(min=LEAST_LEFT)).masked_fill_(left <= LEAST_LEFT, 0)
        return odds.mul_(against_row(layer, rows, cols)).neg_()
