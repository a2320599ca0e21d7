"""The gradient of the scores, through the softmax."""

from jaxtyping import Float
from torch import Tensor

from heedmap.model.attention.maps import AttentionMap
from heedmap.model.measures.base import CellMeasure
from heedmap.model.measures.gradient import WHERE, against_row, lacks_gradient


class ScoreGradient(CellMeasure):
    """dL/ds_ij: what looking more at this key, and so less at all others of its row, would do."""

    name = "score-gradient"
    description = "How the objective changes with the score: more weight here is less on all others of the row."
    formula = "dL/ds_ij = A_ij (<dO_i, v_j> - <dO_i, O_i>)"
    source = "the gradient of the softmax; Dao et al. 2022, FlashAttention, appendix B"
    range = "any number, in the objective's units; a row sums to 0 but where the model has sinks"
    signed = True
    objective = True
    cost = "Two dot products a cell."
    where = WHERE
    example = "Would the answer be surer if the head looked harder at this word?"

    def defined(self, layer: AttentionMap) -> str | None:
        """Where there are values and an objective."""
        return lacks_gradient(layer)

    def window(self, layer: AttentionMap, rows: slice, cols: slice) -> Float[Tensor, "H R C"]:
        """The gradient of a block."""
        weights = layer.window(rows, cols)
        return weights.mul_(against_row(layer, rows, cols))
