"""A trace of one layer, made by hand: for tests of what is done with traces, whatever made them."""

import torch

from heedmap.model.attention.kernels import plain
from heedmap.model.attention.maps import AttentionMap
from heedmap.model.attention.masks import Full
from heedmap.model.attention.scores import ScaledDot
from heedmap.model.contract import Axis, Prediction
from heedmap.model.trace.certificate import Certificate
from heedmap.model.trace.trace import Trace

Q, K, H, G, D = 5, 7, 4, 2, 6


def small_trace(text: str, answer: str, model: str = "m", label: str = "a", times: int = 1) -> Trace:
    """A trace of a text and its answer; every token is called `label`; both axes are so many times as long."""
    generator = torch.Generator().manual_seed(7)
    rows, cols = Q * times, K * times
    q, k, v = (torch.randn(n, length, D, generator=generator) for n, length in ((H, rows), (G, cols), (G, cols)))
    score = ScaledDot(D**-0.5)
    lse = plain(q[None], k[None], v[None], Full(), None, score)[1][0]
    axes = {
        name: Axis("text", [label] * length, [*range(length)], [(0, 0)] * length, [False] * length)
        for name, length in (("target", rows), ("source", cols))
    }
    return Trace(
        {"task": "translation", "revision": model},
        Prediction(answer, [answer], None, axes),
        {"cross": ("target", "source")},
        Certificate(0.0, 1, "plain", "float32", {}, {"cross": [[0.0] * H]}),
        {"cross": [AttentionMap(q, k, v, lse, score, Full(), None)]},
        request={"inputs": text},
    )
