"""Random maps of every kind that the kernels know, and the same maps on the plain path."""

import torch

from heedmap.model.attention.biases import Toeplitz
from heedmap.model.attention.kernels import plain
from heedmap.model.attention.maps import AttentionMap
from heedmap.model.attention.masks import Causal, Full, Mask, Padding, SlidingWindow
from heedmap.model.attention.scores import ScaledDot, SoftCapped

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
QUERIES, KEYS = 70, 150  # more than a tile of 64, and no multiple of it

MASKS: dict[str, Mask] = {
    "full": Full(),
    "causal": Causal(),
    "causal after a cache": Causal(KEYS - QUERIES),
    "causal before the keys": Causal(-9),  # the first rows see nothing
    "window": SlidingWindow(12, 40),
    "causal window": Causal(70) & SlidingWindow(33, 70),
    "padding": Padding(torch.tensor([101])),
    "all of them": Causal(60) & SlidingWindow(80, 58) & Padding(torch.tensor([97])),
}


def layer(
    mask: Mask, *, dtype: torch.dtype = torch.float32, heads: int = 2, groups: int = 1, size: int = 24,
    queries: int = QUERIES, keys: int = KEYS, biased: int = 0, capped: bool = False, sink: bool = False, seed: int = 0,
) -> AttentionMap:  # fmt: skip
    """A map on the tests' device; biased: heads of its bias by offset. Queries lie in memory as a model leaves them."""
    generator = torch.Generator().manual_seed(seed)
    q = torch.randn(1, queries, heads, size, generator=generator).to(dtype).transpose(1, 2)
    k, v = (torch.randn(1, groups, keys, size, generator=generator).to(dtype) for _ in range(2))
    score = SoftCapped(0.4, 1.5) if capped else ScaledDot(0.4)
    bias = Toeplitz(torch.randn(biased, queries + keys - 1, generator=generator), queries) if biased else None
    cells = None if bias is None else bias.cells(torch.arange(queries), torch.arange(keys))[None]
    lse = plain(q.contiguous(), k, v, mask, cells, score)[1][0]
    lse = torch.logaddexp(lse, torch.zeros(())) if sink else lse
    if bias is not None:
        bias = Toeplitz(bias.values.to(DEVICE), queries)
    return AttentionMap(*(x.to(DEVICE) for x in (q[0], k[0], v[0], lse)), score, mask, bias)


def on_the_plain_path(one: AttentionMap) -> AttentionMap:
    """The same map in float64 on the host, which no kernel knows."""
    bias = Toeplitz(one.bias.values.cpu().double(), one.bias.queries) if isinstance(one.bias, Toeplitz) else None
    q, k, v, lse = (x.cpu().double() for x in (one.q, one.k, one.v, one.lse))
    return AttentionMap(q, k, v, lse, one.score, one.mask, bias)
