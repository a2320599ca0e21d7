"""Plain, blockwise and fused attention agree, and none of them ever gives NaN."""

import math

import pytest
import torch

from heedmap.model.attention import kernels
from heedmap.model.attention.kernels import attend, blockwise, forward_only, fused, plain
from heedmap.model.attention.masks import Causal, Full, Mask, Padding, SlidingWindow
from heedmap.model.attention.scores import Additive, ScaledDot, SoftCapped

CASES: dict[str, tuple[tuple[int, int, int, int, int, int], Mask | None]] = {
    "full": ((2, 4, 4, 7, 7, 8), None),
    "cross": ((2, 4, 4, 5, 9, 8), Full()),
    "causal": ((2, 4, 4, 9, 9, 8), Causal()),
    "causal after a cache": ((2, 4, 4, 3, 9, 8), Causal(6)),
    "padded": ((2, 4, 4, 7, 9, 8), Padding(torch.tensor([9, 4]))),
    "padded causal": ((2, 4, 4, 9, 9, 8), Causal() & Padding(torch.tensor([9, 4]))),
    "grouped": ((2, 8, 2, 7, 7, 16), None),
    "grouped causal": ((1, 6, 3, 11, 11, 4), Causal()),
    "one group": ((2, 4, 1, 7, 5, 8), None),
    "a step in a window": ((2, 4, 2, 1, 12, 8), SlidingWindow(5, 11) & Causal(11)),
    "a step before the window is full": ((1, 4, 2, 1, 3, 8), Causal(2) & SlidingWindow(5, 2)),
    "sliding window": ((1, 2, 2, 12, 12, 8), SlidingWindow(3) & Causal()),
}


def inputs(shape: tuple[int, int, int, int, int, int], dtype: torch.dtype = torch.float32) -> tuple[torch.Tensor, ...]:
    torch.manual_seed(1)
    b, h, g, q, k, d = shape
    return tuple(torch.randn(b, n, length, d, dtype=dtype) for n, length in ((h, q), (g, k), (g, k)))


def test_by_hand() -> None:
    """Two keys with scores 0 and log 3: weights 1/4 and 3/4, log-sum-exp log 4."""
    q = torch.tensor([[[[1.0]]]])
    k = torch.tensor([[[[0.0], [math.log(3)]]]])
    v = torch.tensor([[[[4.0], [8.0]]]])
    output, lse = plain(q, k, v, score=ScaledDot(1.0))
    assert output.item() == pytest.approx(0.25 * 4 + 0.75 * 8)
    assert lse.item() == pytest.approx(math.log(4))


@pytest.mark.parametrize("name", CASES)
def test_fused_and_blockwise_agree_with_plain(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shape, mask = CASES[name]
    q, k, v = inputs(shape)
    output, lse = plain(q, k, v, mask)
    quick = fused(q, k, v, mask)
    assert quick.kernel == "flash_cpu"
    monkeypatch.setattr(kernels, "BLOCK", 4)
    slow = blockwise(q, k, v, mask)
    for got in ((quick.output, quick.lse), slow):
        torch.testing.assert_close(got[0], output, atol=1e-6, rtol=0)
        torch.testing.assert_close(got[1], lse, atol=1e-6, rtol=0)
    torch.testing.assert_close(forward_only(q, k, v, mask), output, atol=1e-6, rtol=0)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.bfloat16, 2e-2)])
def test_queries_after_a_long_cache_need_no_mask(
    dtype: torch.dtype, tolerance: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    q, k, v = inputs((2, 6, 3, 5, 13, 8))
    output, lse = plain(q, k, v, Causal(8))
    monkeypatch.setattr(kernels, "MASK_CELLS", 0)
    monkeypatch.setattr(kernels, "_dense", lambda *arguments: pytest.fail("a mask was made"))
    got = fused(q.to(dtype), k.to(dtype), v.to(dtype), Causal(8))
    assert got.output.dtype == dtype
    torch.testing.assert_close(got.output.float(), output, atol=tolerance, rtol=tolerance)
    torch.testing.assert_close(got.lse, lse, atol=tolerance, rtol=tolerance)
    monkeypatch.undo()
    shorter = Causal(6)  # the cache holds keys that come later: not the sequence's last queries
    torch.testing.assert_close(fused(q, k, v, shorter).output, plain(q, k, v, shorter)[0], atol=1e-6, rtol=0)


@pytest.mark.parametrize("kernel", [plain, blockwise, lambda *a: fused(*a)[:2]])
def test_a_row_without_a_visible_key_gives_zeros(kernel: object) -> None:
    q, k, v = inputs((2, 2, 2, 3, 4, 8))
    mask = Padding(torch.tensor([0, 2]))
    output, lse = kernel(q, k, v, mask)  # type: ignore[operator]
    assert output[0].abs().max() == 0
    assert bool((lse[0] == -math.inf).all())
    assert not output.isnan().any()
    assert bool(lse[1].isfinite().all())


def test_a_bias_is_added_to_the_scores() -> None:
    q, k, v = inputs((2, 4, 4, 5, 6, 8))
    bias = torch.randn(1, 4, 5, 6)
    output, lse = plain(q, k, v, Padding(torch.tensor([6, 3])), bias)
    quick = fused(q, k, v, Padding(torch.tensor([6, 3])), bias)
    torch.testing.assert_close(quick.output, output, atol=1e-6, rtol=0)
    torch.testing.assert_close(quick.lse, lse, atol=1e-6, rtol=0)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.bfloat16, 2e-2), (torch.float16, 2e-3)])
def test_half_precision_holds_its_own_tolerance(dtype: torch.dtype, tolerance: float) -> None:
    q, k, v = inputs((2, 4, 2, 33, 33, 16))
    exact, lse = plain(q, k, v, Causal())
    quick = fused(q.to(dtype), k.to(dtype), v.to(dtype), Causal())
    torch.testing.assert_close(quick.output.float(), exact, atol=tolerance, rtol=tolerance)
    torch.testing.assert_close(quick.lse.float(), lse, atol=tolerance, rtol=tolerance)
    assert quick.lse.dtype == torch.float32


@pytest.mark.parametrize("name", ["full", "causal", "padded", "grouped"])
def test_gradients_are_right_in_double_precision(name: str) -> None:
    _, mask = CASES[name]
    groups = 2 if name == "grouped" else 4
    b = 2 if name == "padded" else 1
    mask = Padding(torch.tensor([4, 2])) if name == "padded" else mask
    q, k, v = (x.requires_grad_() for x in inputs((b, 4, groups, 4, 4, 3), torch.float64))
    assert torch.autograd.gradcheck(lambda *x: plain(*x, mask), (q, k, v))
    assert torch.autograd.gradcheck(lambda *x: fused(*x, mask).output, (q, k, v))


def test_attend_takes_any_score() -> None:
    q, k, v = inputs((2, 2, 2, 3, 4, 8))
    score = Additive(torch.randn(8))
    got = attend(q, k, v, score=score)
    weights = score(q, k).softmax(dim=-1)
    torch.testing.assert_close(got.output, weights @ v, atol=1e-6, rtol=0)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 2e-2), (torch.float16, 2e-3)])
@pytest.mark.parametrize("name", CASES)
def test_cuda_kernels_agree_with_plain(name: str, dtype: torch.dtype, tolerance: float) -> None:
    shape, mask = CASES[name]
    q, k, v = (x.cuda() for x in inputs(shape))
    output, lse = plain(q, k, v, mask)
    got = fused(q.to(dtype), k.to(dtype), v.to(dtype), mask)
    torch.testing.assert_close(got.output.float(), output, atol=tolerance, rtol=tolerance)
    torch.testing.assert_close(got.lse.float(), lse, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("kind", ["plain", "biased", "capped", "learned", "operators"])
def test_gradients_are_the_formulas(case: str, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shape, mask = CASES[case]
    sides = [x.double().requires_grad_() for x in inputs(shape)]
    bias, score = None, None
    if kind in ("biased", "learned"):
        bias = torch.randn(1, shape[1], shape[3], shape[4], dtype=torch.float64)
    if kind == "learned":
        assert bias is not None
        sides.append(bias.requires_grad_())
    if kind == "capped":
        score = SoftCapped(0.3, 2.0)
    if kind == "operators":
        monkeypatch.setattr(kernels, "attempt", lambda *_: None)
    monkeypatch.setattr(kernels, "BLOCK", 4)
    output, lse, _ = attend(*sides[:3], mask, bias, score)
    expected, denominators = plain(*sides[:3], mask, bias, score)
    torch.testing.assert_close(output, expected)
    torch.testing.assert_close(lse.double(), denominators, check_dtype=False)
    weights = torch.arange(output.numel()).view(output.shape).double().sin()
    ours, right = (torch.autograd.grad((x * weights).sum(), sides) for x in (output, expected))
    for one, other in zip(ours, right, strict=True):
        torch.testing.assert_close(one, other)


def test_a_pass_that_is_differentiated_keeps_no_scores() -> None:
    """What a backward pass waits for is linear in the length, for whatever score."""
    for score in (None, SoftCapped(0.3, 2.0)):
        kept = []
        for length in (512, 1024):
            q, k, v = (x.requires_grad_() for x in inputs((1, 2, 2, length, length, 8)))
            sizes: list[int] = []

            def keep(x: torch.Tensor, sizes: list[int] = sizes) -> torch.Tensor:
                sizes.append(x.numel())
                return x

            with torch.autograd.graph.saved_tensors_hooks(keep, lambda x: x):
                attend(q, k, v, Causal(), None, score)
            kept.append(sum(sizes))
        assert kept[1] <= 2.1 * kept[0]
