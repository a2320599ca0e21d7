"""All measures of heads of a layer of a trace, each with how many rows of the map it is a mean over."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from heedmap.model.measures.alignment import CROSS, alignment_scores, too_many
from heedmap.model.measures.base import follows
from heedmap.model.measures.token_heads import STATISTICS, weighted_token_statistics
from heedmap.model.trace.trace import Trace

ALIGNMENT = "alignment"  # of a cross head: how well it reads as a word alignment, 0 to 1


@dataclass(frozen=True, eq=False)
class OfHeads:
    """One measure of a layer's heads.

    values: (H,), a mean over rows of the map; NaN where the measure is not defined. rows: over how many.
    """

    values: Float[Tensor, "H"]
    rows: float


def of_heads(trace: Trace, site: str, layer: int, most: int) -> dict[str, OfHeads]:
    """The measures of heads by their `statistic`, in the order in which they are listed.

    Of a map of more rows than `most` they are taken from so many, spread evenly. What needs a token that stands in two
    places, or keys that are the queries' own tokens, is NaN elsewhere.
    """
    layer_map = trace.layers[site][layer]
    queries = float(layer_map.shape[0])
    undefined = OfHeads(torch.full((layer_map.heads,), torch.nan), 0.0)
    found = {name: OfHeads(values.cpu(), queries) for name, values in layer_map.statistics(most).items()}
    tokens = own_tokens(trace, site)
    by_token = {} if tokens is None else weighted_token_statistics(layer_map, tokens)
    for name in STATISTICS:
        found[name] = OfHeads(*by_token[name]) if by_token else undefined
    found["copying"] = undefined if layer_map.copying is None else OfHeads(layer_map.copying.float().cpu(), queries)
    mixing = layer_map.mixing
    found["mixing"] = (
        undefined if mixing is None else OfHeads(mixing.float().mean().cpu().expand(layer_map.heads), queries)
    )
    return found


def own_tokens(trace: Trace, site: str) -> list[int] | None:
    """The ids of a site's positions, where its keys are its own text's tokens."""
    axis = trace.axes[trace.site_axes[site][1]]
    return axis.ids if axis.kind == "text" and follows(trace, site) is None else None


def alignment_of(trace: Trace, layer: int) -> NDArray[np.float64] | None:
    """How well each cross head of a layer reads as a word alignment (H,); None where maps are too long to look through.

    As `alignment.alignment_scores` has it, by the whole map.
    """
    layers = trace.layers[CROSS]
    if too_many(len(layers), layers[0].heads, layers[0].shape):
        return None
    queries, keys = (trace.axes[name] for name in trace.site_axes[CROSS])
    return alignment_scores(layers[layer].dense().float().cpu().numpy(), queries, keys)
