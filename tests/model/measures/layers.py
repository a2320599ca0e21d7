"""Layers and traces of which every number is known: weights are given, and stand in the bias."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from heedmap.model.attention.biases import Dense
from heedmap.model.attention.maps import AttentionMap
from heedmap.model.attention.masks import Causal, Full
from heedmap.model.attention.scores import ScaledDot
from heedmap.model.prediction import Axis, Prediction
from heedmap.model.trace.certificate import Certificate
from heedmap.model.trace.trace import Trace

SITES = {"encoder": ("source", "source"), "decoder": ("target", "target"), "cross": ("target", "source")}


def given(weights: Tensor, v: Tensor | None = None, d_output: Tensor | None = None) -> AttentionMap:
    """A layer of these weights (H Q K); with values (H K E) and the gradient of its output (H Q E), where given."""
    heads, queries, keys = weights.shape
    values = torch.zeros(heads, keys, 0) if v is None else v
    delta = None if d_output is None else (d_output * (weights @ values)).sum(dim=-1)
    nothing = torch.zeros(heads, queries, 0), torch.zeros(heads, keys, 0)
    lse, bias = torch.zeros(heads, queries), Dense(weights.log())
    return AttentionMap(*nothing, values, lse, ScaledDot(1.0), Full(), bias, d_output, delta)


def random_layer(heads: int, queries: int, keys: int, *, causal: bool = False, seed: int = 0) -> AttentionMap:
    """A layer of random numbers, with values and a gradient; two heads a group."""
    make = torch.Generator().manual_seed(seed)
    q, k, v, d_output = (
        torch.randn(count, length, size, generator=make)
        for count, length, size in (
            *((heads, queries, 4), (heads // 2, keys, 4)),
            *((heads // 2, keys, 3), (heads, queries, 3)),
        )
    )
    scores = q @ k.repeat_interleave(2, dim=0).mT * 0.5
    mask = Causal(keys - queries) if causal else Full()
    scores = scores.masked_fill(~mask.dense(queries, keys), float("-inf"))
    output = scores.softmax(dim=-1) @ v.repeat_interleave(2, dim=0)
    delta = (d_output * output).sum(dim=-1)
    return AttentionMap(q, k, v, scores.logsumexp(dim=-1), ScaledDot(0.5), mask, None, d_output, delta)


def axis(ids: Sequence[int]) -> Axis:
    """An axis of these tokens."""
    count = len(ids)
    return Axis("text", [str(i) for i in ids], list(ids), [(0, 1)] * count, [False] * count)


def traced(layers: Mapping[str, list[AttentionMap]]) -> Trace:
    """A trace of these layers by site."""
    lengths: dict[str, int] = {}
    for site, maps in layers.items():
        lengths |= dict(zip(SITES[site], maps[0].shape, strict=True))
    axes = {name: axis(range(length)) for name, length in lengths.items()}
    certificate = Certificate(0.0, 1, "plain", "float32", {}, {})
    sites = {site: SITES[site] for site in layers}
    return Trace({"task": "translation"}, Prediction("a", ["a"], -1.0, axes), sites, certificate, dict(layers))
