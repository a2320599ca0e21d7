"""Weights times the size of what they add to the residual stream."""

from jaxtyping import Float
from torch import Tensor

from heedmap.model.attention.maps import AttentionMap, span
from heedmap.model.measures.base import NO_VALUES, CellMeasure

NO_PROJECTION = (
    "the layer's output projection is not known: its module has none that takes the attention's output as it is, or "
    "the trace is from before it was recorded"
)


class OutputNorm(CellMeasure):
    """A_ij ||v_j W_O||: what this edge adds to the residual stream, W_O being the head's part of the projection.

    The trace keeps ||v_j W_O|| for each head and key, so a cell costs what its weight does.
    """

    name = "output-norm"
    description = "The weight times the length of the value after the output projection: what is really added."
    formula = "A_ij ||v_j W_O|| = A_ij sqrt(v_j (W_O W_O^T) v_j^T)"
    source = "Kobayashi et al. 2020, Attention is not only a weight"
    range = "0 and more, in the units of the residual stream"
    cost = "One dot product a cell."
    where = "where the layer's output projection takes the attention's output as it is, which is checked at load"
    example = "Which token does this head really copy from?"

    def defined(self, layer: AttentionMap) -> str | None:
        """Where the trace has the norms."""
        if layer.v.shape[2] == 0:
            return NO_VALUES
        return NO_PROJECTION if layer.output_norm is None else None

    def window(self, layer: AttentionMap, rows: slice, cols: slice) -> Float[Tensor, "H R C"]:
        """The product on a block."""
        keys = span(cols, layer.shape[1], "cols")
        assert layer.output_norm is not None
        weights = layer.window(rows, cols)
        return weights.mul_(layer.output_norm[:, None, keys.start : keys.stop])
