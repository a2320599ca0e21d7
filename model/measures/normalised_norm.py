"""Weights times the size of what is left of what they add, after the layer normalisation that follows."""

from jaxtyping import Float
from torch import Tensor

from heedmap.model.attention.maps import AttentionMap, span
from heedmap.model.measures.base import NO_VALUES, CellMeasure

NOT_NORMALISED = (
    "no layer normalisation follows directly on this layer's residual. In a pre-norm model, what output-norm says is "
    "added as it is; or the trace is from before it was recorded"
)


class NormalisedNorm(CellMeasure):
    """A_ij ||g * (f_j - mean(f_j))|| / s_i, f_j = v_j W_O: this edge's part of the attention block's own output.

    A post-norm block gives LayerNorm(x_i + sum_hj A_ij f_j + b_O). But for s_i, the standard deviation of that sum, the
    normalisation is linear, so that its output is exactly the sum of one vector an edge of a head, the residual's and
    the biases'. This is the length of an edge's. The residual is no head's, and shows in s_i alone.

    The paper adds up the vectors of all heads, and the residual on the diagonal, before it takes the length: its maps
    are a layer's. These are a head's, of the same vectors.
    """

    name = "normalised-norm"
    description = "The length of what an edge adds to its row, after the layer normalisation that follows the residual."
    formula = "A_ij ||g * (f_j - mean(f_j))|| / s_i, f_j = v_j W_O, s_i = sqrt(var(x_i + sum f) + eps)"
    source = (
        "Kobayashi et al. 2021, Incorporating residual and normalization layers into analysis of masked language "
        "models, of one head"
    )
    range = "0 and more, in the units of the block's output"
    cost = "One dot product a cell."
    where = (
        "where a layer normalisation follows directly on the attention's residual, as in BERT, which is checked at load"
    )
    example = "What does this head write that the normalisation does not take out again?"

    def defined(self, layer: AttentionMap) -> str | None:
        """Where the trace has the norms."""
        if layer.v.shape[2] == 0:
            return NO_VALUES
        return NOT_NORMALISED if layer.normalised_norm is None or layer.deviation is None else None

    def window(self, layer: AttentionMap, rows: slice, cols: slice) -> Float[Tensor, "H R C"]:
        """The product on a block."""
        queries, keys = span(rows, layer.shape[0], "rows"), span(cols, layer.shape[1], "cols")
        assert layer.normalised_norm is not None
        assert layer.deviation is not None
        weights = layer.window(rows, cols).mul_(layer.normalised_norm[:, None, keys.start : keys.stop])
        return weights.div_(layer.deviation[None, queries.start : queries.stop, None])
