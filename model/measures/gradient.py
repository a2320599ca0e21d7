"""The gradient of the weights, from that of the head's output."""

import torch
from jaxtyping import Float
from torch import Tensor

from heedmap.model.attention.maps import AttentionMap, span
from heedmap.model.attention.masks import Full
from heedmap.model.attention.operators import spread
from heedmap.model.measures.base import NO_OBJECTIVE, NO_VALUES, CellMeasure

WHERE = "where the trace has an objective, and the layer's values are known"


def lacks_gradient(layer: AttentionMap) -> str | None:
    """None where a layer has values and the gradient of an objective, else a sentence of what it lacks."""
    if layer.v.shape[2] == 0:
        return NO_VALUES
    return NO_OBJECTIVE if layer.d_output is None or layer.delta is None else None


def products(layer: AttentionMap, rows: slice, cols: slice) -> Float[Tensor, "H R C"]:
    """<dO_i, v_j> of a block, whatever the mask, in float32 or wider.

    Raises:
        RangeError: the block is not inside the map.
    """
    queries, keys = span(rows, layer.shape[0], "rows"), span(cols, layer.shape[1], "cols")
    assert layer.d_output is not None
    wide = torch.promote_types(torch.promote_types(layer.d_output.dtype, layer.v.dtype), torch.float32)
    gradients = layer.d_output[:, queries.start : queries.stop].to(wide)
    values = spread(layer.v[:, keys.start : keys.stop].to(wide), layer.heads)
    return gradients @ values.mT


def against_row(layer: AttentionMap, rows: slice, cols: slice) -> Float[Tensor, "H R C"]:
    """<dO_i, v_j> - <dO_i, O_i> of a block, whatever the mask: how much better this key is than the row's mean.

    Raises:
        RangeError: the block is not inside the map.
    """
    queries = span(rows, layer.shape[0], "rows")
    block = products(layer, rows, cols)
    assert layer.delta is not None
    return block.sub_(layer.delta[:, queries.start : queries.stop, None].to(block))


class Gradient(CellMeasure):
    """dL/dA_ij, the weight taken as if it were free: its row need not sum to 1."""

    name = "gradient"
    description = "How the objective changes with the weight, were it free of its row's sum."
    formula = "dL/dA_ij = <dO_i, v_j>"
    source = "the chain rule through O_i = sum_j A_ij v_j"
    range = "any number, in the objective's units"
    signed = True
    objective = True
    cost = "One dot product a cell."
    where = WHERE
    example = "Which keys would help this answer if the head looked at them more?"

    def defined(self, layer: AttentionMap) -> str | None:
        """Where there are values and an objective."""
        return lacks_gradient(layer)

    def window(self, layer: AttentionMap, rows: slice, cols: slice) -> Float[Tensor, "H R C"]:
        """The gradient of a block; 0 where masked, since no weight there can change."""
        block = products(layer, rows, cols)
        if isinstance(layer.mask, Full):
            return block
        return block.masked_fill_(~layer.visible(rows, cols), 0)
