"""Relevance propagation through attention and its gradients, for one stack and for an encoder with its decoder."""

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor

from heedmap.model.attention.maps import AttentionMap
from heedmap.model.errors import InputTooLong
from heedmap.model.measures.base import Rows, TraceMeasure, chosen, follows, propagated
from heedmap.model.measures.gradient import WHERE, lacks_gradient, products
from heedmap.model.trace.trace import Trace

# Positions a side, of cross: its rule needs whole products of the decoder's and the encoder's layers.
MOST_POSITIONS = 1024


class Relevance(TraceMeasure):
    """How much each input position speaks for the objective at an output position.

    A layer's map is the mean over heads of what is positive of gradient x attention. Of one stack, rows are carried
    from the last layer to the first, as in rollout: R <- R + mean_h (grad A o A)^+ R. Of a decoder over an encoder,
    `cross` holds the relevance of the source: both stacks' products are made, normalised, and joined at each cross
    layer, rules 5 to 10 of the paper.
    """

    name = "relevance"
    description = "How much each input position speaks for the objective, through all layers, by gradients and weights."
    formula = "R = prod_l (I + mean_h (dL/dA^l A^l)^+), the last layer first; cross: equations 6 to 10 of the paper"
    source = "Chefer, Gur and Wolf 2021, Generic attention-model explainability"
    range = "0 and more, in the objective's units; 1 on the position itself at the least"
    objective = True
    cost = f"All maps of the site once, in strips; cross: all of the trace, up to {MOST_POSITIONS:,} positions a side."
    where = WHERE + ", in every layer that has a part"
    example = "Why this word and no other: which words of the source speak for it?"

    def defined(self, trace: Trace, site: str) -> str | None:
        """Where there are gradients, and layers follow on each other or on those of an encoder."""
        sites = [site]
        if site == "cross":
            if missing := [name for name in ("encoder", "decoder") if name not in trace.layers]:
                return f"cross is joined to the {' and the '.join(missing)}, of which this trace has no attention"
            if len(trace.layers["cross"]) != len(trace.layers["decoder"]):
                return "not every layer of the decoder looks at the source"
            sites = ["encoder", "decoder", "cross"]
        for name in sites:
            lacks = None if name == "cross" else follows(trace, name)
            lacks = lacks or next(filter(None, map(lacks_gradient, trace.layers[name])), None)
            if lacks:
                return lacks
        return None

    def rows(self, trace: Trace, site: str, rows: Rows) -> Iterator[Float[Tensor, "R K"] | None]:
        """Of one stack in strips; of cross by whole products.

        Raises:
            InputTooLong: cross has more positions than whole products are made of.
        """
        if site == "cross":
            yield from _joined(trace, rows)
            return
        layers = trace.layers[site]
        share = chosen(rows, layers[0].shape[0], layers[0].q.device)
        for layer in reversed(layers):
            through = yield from propagated(share.to(layer.q.device), layer, positive)
            share = through + share.to(through)
        yield share


def positive(layer: AttentionMap, rows: slice, cols: slice) -> Float[Tensor, "H N C"]:
    """(dL/dA o A)^+ of a block."""
    weights = layer.window(rows, cols)
    return weights.mul_(products(layer, rows, cols)).clamp_(min=0)


def _joined(trace: Trace, rows: range) -> Iterator[Float[Tensor, "R K"] | None]:
    queries, keys = trace.layers["cross"][0].shape
    if max(queries, keys) > MOST_POSITIONS:
        raise InputTooLong(
            f"relevance across two stacks is made of whole products, up to {MOST_POSITIONS:,} positions a side, and "
            f"cross has {queries:,} x {keys:,}",
            field="measure",
        )
    device = trace.layers["cross"][0].q.device
    source, target = torch.eye(keys, device=device), torch.eye(queries, device=device)
    across = torch.zeros(queries, keys, device=device)
    for layer in trace.layers["encoder"]:
        source = source + _mean(layer).to(source) @ source
        yield None
    beside = _normalised(source)
    for own, cross in zip(trace.layers["decoder"], trace.layers["cross"], strict=True):
        weights = _mean(own).to(target)
        target, across = target + weights @ target, across + weights @ across
        yield None
        across = across + _normalised(target).mT @ _mean(cross).to(across) @ beside
        yield None
    yield across[rows.start : rows.stop]


def _mean(layer: AttentionMap) -> Float[Tensor, "Q K"]:
    return positive(layer, slice(None), slice(None)).mean(dim=0)


def _normalised(relevance: Float[Tensor, "N N"]) -> Float[Tensor, "N N"]:
    """Equations 8 and 9: each row of what was added to the identity sums to 1, and the identity is added again."""
    identity = torch.eye(relevance.shape[0], device=relevance.device)
    added = relevance - identity
    total = added.sum(dim=-1, keepdim=True)
    return torch.where(total > 0, added / total.clamp(min=torch.finfo(added.dtype).tiny), 0.0) + identity
