"""Attention as a kernel sees it: q, k, v -> output and log-sum-exp, never the map.

    output_i = sum_j A_ij v_j        A_ij = exp(s_ij - lse_i)        lse_i = log sum_j exp(s_ij)

`plain` is the formula on one screen; `fused` is the same through PyTorch's fused kernels, which compute the
log-sum-exp anyway. The operators that hand it out are private to PyTorch (`operators`); where a build has none that is
sound, the public one gives the output and the log-sum-exp is computed beside it. `flex` has soft-caps, windows, blocks
and biases of the offset on an accelerator. `blockwise` takes any other score.

All of them can be differentiated with respect to the output, in memory linear in the length: the fused kernels have
backward passes of their own, and `blockwise` computes a block once more instead of keeping its scores. Only `plain` and
`blockwise` hand out a log-sum-exp that knows its gradient.
"""

import math
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from heedmap.model.attention import flex, interactions
from heedmap.model.attention.biases import Bias
from heedmap.model.attention.masks import Blocks, Both, Causal, Full, Given, Mask, SlidingWindow
from heedmap.model.attention.operators import attempt, differentiated, spread
from heedmap.model.attention.scores import ScaledDot, Score
from heedmap.model.shapes import Keys, LogSumExp, Output, Queries, Values

BLOCK = 1024  # rows a step of the blockwise pass: at 8 heads and 8,192 keys its scores take 268 MB in float32

MASK_CELLS = 1 << 24  # of a mask that is made as a tensor: 64 MiB where it is added to the scores
BAND_ROWS = 256  # rows a step under a sliding window: enough work for a call, few keys outside the band


class Attended(NamedTuple):
    """What a kernel returns: output (B H Q D), log-sum-exp (B H Q, float32 or wider) and the kernel's name."""

    output: Tensor
    lse: Tensor
    kernel: str


def plain(
    q: Queries, k: Keys, v: Values, mask: Mask | None = None, bias: Tensor | None = None, score: Score | None = None
) -> tuple[Output, LogSumExp]:
    """Attention as the formula says it, with the whole map in memory: the reference.

    A row with no visible key has output 0 and log-sum-exp -inf. Half precision is computed in float32.
    """
    heads, size = q.shape[1], q.shape[-1]
    wide = torch.promote_types(q.dtype, torch.float32)
    score = score or ScaledDot.for_size(size)
    scores = score(q.to(wide), spread(k, heads).to(wide))
    if bias is not None:
        scores = scores + bias
    if mask is not None:
        visible = mask.dense(q.shape[2], k.shape[2], q.device)[:, None]
        scores = scores.masked_fill(~visible, -math.inf)
    lse = scores.logsumexp(dim=-1)
    # exp(-inf - -inf) is NaN: a row that sees nothing is compared with 0 instead.
    weights = torch.exp(scores - lse.masked_fill(lse == -math.inf, 0)[..., None])
    return (weights @ spread(v, heads).to(wide)).to(q.dtype), lse


def blockwise(
    q: Queries, k: Keys, v: Values, mask: Mask | None = None, bias: Tensor | None = None, score: Score | None = None
) -> tuple[Output, LogSumExp]:
    """`plain` a block of rows at a time: memory linear in the length, public operators only."""
    parts = []
    tracked = differentiated(q, k, v) or (bias is not None and differentiated(bias))
    for start in range(0, q.shape[2], BLOCK):
        rows = slice(start, min(start + BLOCK, q.shape[2]))
        block_bias = bias[..., rows, :] if bias is not None and bias.shape[-2] > 1 else bias
        block = (q[:, :, rows], k, v, None if mask is None else _Rows(mask, start), block_bias, score)
        parts.append(_again(*block) if tracked else plain(*block))
    return torch.cat([o for o, _ in parts], dim=2), torch.cat([lse for _, lse in parts], dim=2)


def _again(*block: Any) -> tuple[Output, LogSumExp]:
    """`plain`, computed once more in the backward pass instead of keeping its scores until then."""
    computed: tuple[Tensor, Tensor] = checkpoint(plain, *block, use_reentrant=False, preserve_rng_state=False)
    return computed


class _Rows(Mask):
    """Another mask seen from a row further down."""

    def __init__(self, mask: Mask, start: int) -> None:
        self.mask, self.start = mask, start

    def visible(self, queries: Tensor, keys: Tensor) -> Tensor:
        return self.mask.visible(queries + self.start, keys)

    def describe(self) -> dict[str, object]:
        return self.mask.describe()


def fused(
    q: Queries, k: Keys, v: Values, mask: Mask | None = None, bias: Tensor | None = None, scale: float | None = None
) -> Attended:
    """Scaled dot-product attention by the device's fused kernel, log-sum-exp included."""
    if bias is None:
        k, v, mask = _visible_keys(q, k, v, mask)
    causal = isinstance(mask, Causal) and mask.offset == 0 and bias is None
    if bias is None and (size := _band(mask, q, k)):
        assert mask is not None
        return _banded(q, k, v, mask, size, scale)
    queries, keys = q.shape[2], k.shape[2]
    long = queries * keys > MASK_CELLS and not differentiated(q, k, v)  # two parts are joined by their denominators
    if isinstance(mask, Causal) and mask.offset == keys - queries > 0 and bias is None and long:
        return _after_cache(q, k, v, mask.offset, scale)
    dense = None if mask is None or isinstance(mask, Full) or causal else _dense(mask, q, k)
    return fused_cells(q, k, v, dense, bias, causal, scale)


def fused_cells(
    q: Queries,
    k: Keys,
    v: Values,
    visible: Tensor | None,
    bias: Tensor | None = None,
    causal: bool = False,
    scale: float | None = None,
) -> Attended:
    """`fused` for a mask that is given cell by cell, broadcast over (B H Q K), or for a plainly causal one."""
    scale = 1 / math.sqrt(q.shape[-1]) if scale is None else scale
    additive = _additive(visible, bias, q)
    attended = attempt(q, k, v, causal, additive, scale)
    output, lse, name = public(q, k, v, causal, additive, scale) if attended is None else attended
    if visible is not None:
        empty = ~visible.any(dim=-1)
        if empty.any():  # the kernels write 0 for the row's output, but not -inf for its denominator
            lse = lse.masked_fill(empty, -math.inf)
            output = output.masked_fill(empty[..., None], 0)
    return Attended(output, lse, name)


def _window(mask: Mask | None, q: Tensor, k: Tensor) -> int:
    """The size of a causal sliding window over a sequence's last queries: all, or those after a cache; else 0."""
    match mask:
        case Both(Causal(offset), SlidingWindow(size, same)) | Both(SlidingWindow(size, same), Causal(offset)):
            return size if offset == same == k.shape[2] - q.shape[2] else 0
    return 0


def _band(mask: Mask | None, q: Tensor, k: Tensor) -> int:
    """The size of a sliding window that some queries have over keys that are many more; 0 for any other mask."""
    size = _window(mask, q, k)
    return size if q.shape[2] > 1 and k.shape[2] > 2 * size else 0


def _visible_keys(q: Tensor, k: Tensor, v: Tensor, mask: Mask | None) -> tuple[Tensor, Tensor, Mask | None]:
    """Keys, values and mask as they are, or of a single query in a sliding window what it sees, which is the last."""
    if q.shape[2] == 1 and (size := _window(mask, q, k)):
        return k[:, :, -size:], v[:, :, -size:], None
    return k, v, mask


def _banded(q: Tensor, k: Tensor, v: Tensor, mask: Mask, size: int, scale: float | None) -> Attended:
    """A causal sliding window, a block of rows at a time against the keys that the block can see: linear in length."""
    parts, queries, step = [], q.shape[2], max(size, BAND_ROWS)
    offset = k.shape[2] - queries
    for start in range(0, queries, step):
        stop = min(start + step, queries)
        keys = slice(max(0, offset + start - size + 1), offset + stop)
        visible = mask.visible(
            torch.arange(start, stop, device=q.device), torch.arange(keys.start, keys.stop, device=q.device)
        )
        part = fused_cells(q[:, :, start:stop], k[:, :, keys], v[:, :, keys], visible[:, None], scale=scale)
        parts.append(part)
    return _joined(parts)


def _after_cache(q: Tensor, k: Tensor, v: Tensor, offset: int, scale: float | None) -> Attended:
    """Causal queries that follow a long cache: all of what came before, and their own triangle, made one.

    The kernels know no offset, and a mask would be computed with, hidden half and all. Two softmaxes over parts of the
    keys are one over all of them, each weighed by its share of the denominator (Dao et al. 2022).
    """
    before = fused_cells(q, k[:, :, :offset], v[:, :, :offset], None, scale=scale)
    recent = fused_cells(q, k[:, :, offset:], v[:, :, offset:], None, causal=True, scale=scale)
    lse = torch.logaddexp(before.lse, recent.lse)
    shares = [torch.exp(part.lse - lse)[..., None] for part in (before, recent)]
    output = before.output * shares[0] + recent.output * shares[1]
    return Attended(output.to(q.dtype), lse, _names([before, recent]))


def _joined(parts: list[Attended]) -> Attended:
    output, lse = torch.cat([p.output for p in parts], dim=2), torch.cat([p.lse for p in parts], dim=2)
    return Attended(output, lse, _names(parts))


def _names(parts: list[Attended]) -> str:
    """The kernels that ran; more than one where one of them refused some of the parts."""
    return "+".join(sorted({part.kernel for part in parts}))


def _dense(mask: Mask, q: Tensor, k: Tensor) -> Tensor:
    return mask.dense(q.shape[2], k.shape[2], q.device)[:, None]


def _additive(dense: Tensor | None, bias: Tensor | None, q: Tensor) -> Tensor | None:
    """Mask and bias as the one additive term that fused kernels take."""
    if dense is None:
        return None if bias is None else bias.to(q.dtype)
    base = torch.zeros((), dtype=q.dtype, device=q.device) if bias is None else bias.to(q.dtype)
    return torch.where(dense, base, -math.inf)


def public(q: Queries, k: Keys, v: Values, causal: bool, bias: Tensor | None, scale: float) -> Attended:
    """The output by PyTorch's public operator, and the log-sum-exp beside it, a block of rows at a time."""
    grouped = q.shape[1] != k.shape[1]
    output = F.scaled_dot_product_attention(q, k, v, bias, is_causal=causal, scale=scale, enable_gqa=grouped)
    q, k, bias = q.detach(), k.detach(), None if bias is None else bias.detach()
    wide = torch.promote_types(q.dtype, torch.float32)
    keys, parts = spread(k, q.shape[1]).to(wide).transpose(-1, -2), []
    columns = torch.arange(k.shape[2], device=q.device)
    for start in range(0, q.shape[2], BLOCK):
        rows = slice(start, min(start + BLOCK, q.shape[2]))
        scores = scale * (q[:, :, rows].to(wide) @ keys)
        if bias is not None:
            scores = scores + (bias[..., rows, :] if bias.shape[-2] > 1 else bias)
        if causal:
            below = torch.arange(rows.start, rows.stop, device=q.device)[:, None]
            scores = scores.masked_fill(columns > below, -math.inf)
        parts.append(scores.logsumexp(dim=-1))
    return Attended(output, torch.cat(parts, dim=2), "sdpa")


def attend(
    q: Queries,
    k: Keys,
    v: Values,
    mask: Mask | None = None,
    bias: Tensor | Bias | None = None,
    score: Score | None = None,
) -> Attended:
    """Attention with its log-sum-exp by the best kernel that there is.

    Args:
        q: queries (B H Q D); k: keys (B G K D); v: values (B G K E), with H % G == 0.
        mask: which keys are visible; all of them if None.
        bias: added to the scaled scores: broadcast over (B H Q K), or a function of the indices.
        score: the pair formula, scaled dot by default; one that no kernel has goes blockwise.
    """
    score = score or ScaledDot.for_size(q.shape[-1])
    tracked = differentiated(q, k, v)
    if tracked and interactions.active():
        return Attended(*interactions.attend(attend, q, k, v, mask, bias, score))
    if _structured(q, k, mask, bias, score) and not tracked and flex.suits(q, k, v, score):
        return Attended(*flex.attend(q, k, v, mask, bias, score), "flex")
    if isinstance(bias, Bias):
        bias = bias.cells(*(torch.arange(n, device=q.device) for n in (q.shape[2], k.shape[2])))[None]
    added = isinstance(bias, Tensor) and differentiated(bias)  # fused kernels know no gradient of what they add
    if isinstance(score, ScaledDot) and not added:
        if isinstance(mask, Given):
            return fused_cells(q, k, v, mask.cells[:, None], bias, False, score.scale)
        return fused(q, k, v, mask, bias, score.scale)
    output, lse = blockwise(q, k, v, mask, bias, score)
    return Attended(output, lse, "blockwise")


def _structured(q: Tensor, k: Tensor, mask: Mask | None, bias: Tensor | Bias | None, score: Score) -> bool:
    """Whether the fixed kernels lack something of these inputs, or would compute what a mask hides whole."""
    if not isinstance(score, ScaledDot) or isinstance(bias, Bias) or isinstance(mask, Blocks):
        return True
    after_cache = isinstance(mask, Causal) and mask.offset == k.shape[2] - q.shape[2] > 0
    return bias is None and (after_cache or _band(mask, q, k) > 0)


def forward_only(
    q: Queries, k: Keys, v: Values, mask: Mask | None = None, dropout: float = 0.0, scale: float | None = None
) -> Output:
    """The same output through PyTorch's public operator, without log-sum-exp: training and decoding steps."""
    if interactions.active():
        return attend(q, k, v, mask, None, None if scale is None else ScaledDot(scale)).output
    k, v, mask = _visible_keys(q, k, v, mask)
    causal = isinstance(mask, Causal) and mask.offset == 0
    if not torch.is_grad_enabled() and (size := _band(mask, q, k)):
        assert mask is not None
        return _banded(q, k, v, mask, size, scale).output
    if not torch.is_grad_enabled() and isinstance(mask, Causal) and not causal:
        return fused(q, k, v, mask, None, scale).output
    dense = None if mask is None or isinstance(mask, Full) or causal else _dense(mask, q, k)
    return F.scaled_dot_product_attention(
        q, k, v, dense, dropout, is_causal=causal, scale=scale, enable_gqa=q.shape[1] != k.shape[1]
    )
