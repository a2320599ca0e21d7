"""Attention rollout: how much of each input position reaches an output position, layer after layer."""

from collections.abc import Iterator

from jaxtyping import Float
from torch import Tensor

from heedmap.model.attention.maps import AttentionMap
from heedmap.model.measures.base import Rows, TraceMeasure, chosen, follows, propagated
from heedmap.model.trace.trace import Trace


class Rollout(TraceMeasure):
    """The product of all layers' mean weights, each with half of its place taken by the residual connection.

    Rows of the product are one row vector each, carried from the top layer to the first through transposed products,
    in strips: memory is R x K, at any length.
    """

    name = "rollout"
    description = "How much of each input position reaches an output position through the weights of all layers."
    formula = "row i of prod_l (mean_h A^l + I) / 2, the last layer first"
    source = "Abnar and Zuidema 2020, Quantifying attention flow in Transformers"
    range = "0 to 1; a row sums to 1 but where the model has sinks"
    cost = "All maps of the site once, whatever the number of rows; memory of rows x keys."
    where = "where a site's keys are its own queries: not of cross"
    example = "Which words of the input can this output position have heard of?"

    def defined(self, trace: Trace, site: str) -> str | None:
        """Where layers follow on each other."""
        return follows(trace, site)

    def rows(self, trace: Trace, site: str, rows: Rows) -> Iterator[Float[Tensor, "R K"] | None]:
        """From the last layer to the first."""
        layers = trace.layers[site]
        share = chosen(rows, layers[0].shape[0], layers[0].q.device)
        for layer in reversed(layers):
            through = yield from propagated(share.to(layer.q.device), layer, _weights)
            share = (through + share.to(through)) / 2
        yield share


def _weights(layer: AttentionMap, rows: slice, cols: slice) -> Float[Tensor, "H N C"]:
    return layer.window(rows, cols)
