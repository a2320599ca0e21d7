"""A private operator is used where it agrees with the formula, and nothing depends on its being there."""

import logging
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from heedmap.model.attention import kernels, operators
from heedmap.model.attention.kernels import attend, forward_only, fused, fused_cells, plain
from heedmap.model.attention.masks import Causal, Mask, SlidingWindow
from heedmap.model.attention.operators import KERNELS, Takes
from tests.model.attention.test_kernels import CASES, inputs

TRUE = operators.OPERATORS["flash_cpu"]


def absent(*_: Any) -> Any:
    """What torch.ops says of a name that it does not have."""
    raise AttributeError("'_OpNamespace' 'aten' object has no attribute '_scaled_dot_product_flash_attention_for_cpu'")


def refusing(*_: Any) -> Any:
    raise TypeError("_scaled_dot_product_flash_attention_for_cpu(): incompatible function arguments")


def other_base(*arguments: Any) -> tuple[Tensor, Tensor]:
    output, lse = TRUE(*arguments)
    return output, lse / math.log(2)


def unscaled(q: Tensor, k: Tensor, v: Tensor, causal: bool, bias: Tensor | None, _scale: float) -> Any:
    return TRUE(q, k, v, causal, bias, 1 / math.sqrt(q.shape[-1]))


def bias_forgotten(q: Tensor, k: Tensor, v: Tensor, causal: bool, _bias: Tensor | None, scale: float) -> Any:
    return TRUE(q, k, v, causal, None, scale)


def causal_from_below(q: Tensor, k: Tensor, v: Tensor, causal: bool, bias: Tensor | None, scale: float) -> Any:
    if not causal or q.shape[2] == k.shape[2]:
        return TRUE(q, k, v, causal, bias, scale)
    hidden = torch.ones(q.shape[2], k.shape[2]).triu(k.shape[2] - q.shape[2] + 1).bool()
    return TRUE(q, k, v, False, torch.zeros(hidden.shape).masked_fill(hidden, -math.inf)[None, None], scale)


def transposed(*arguments: Any) -> tuple[Tensor, Tensor]:
    output, lse = TRUE(*arguments)
    return output, lse.transpose(1, 2)


def nothing_but_nan(*arguments: Any) -> tuple[Tensor, Tensor]:
    output, lse = TRUE(*arguments)
    return output * math.nan, lse


def another_dtype(*arguments: Any) -> tuple[Tensor, Tensor]:
    output, lse = TRUE(*arguments)
    return output.double(), lse


def one_result(*arguments: Any) -> Any:
    return TRUE(*arguments)[0]


BROKEN = [
    *(absent, refusing, other_base, unscaled, bias_forgotten, causal_from_below),
    *(transposed, nothing_but_nan, another_dtype, one_result),
]


@pytest.fixture(autouse=True)
def untried() -> Iterator[None]:
    operators.forget()
    yield
    operators.forget()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16, torch.float64])
def test_this_build_has_a_sound_operator(dtype: torch.dtype) -> None:
    assert operators.sound("flash_cpu", torch.device("cpu"), dtype)
    q, k, v = (x.to(dtype) for x in inputs((2, 4, 2, 9, 9, 8)))
    assert attend(q, k, v, Causal()).kernel == "flash_cpu"


@pytest.mark.parametrize("broken", BROKEN)
def test_an_operator_that_is_not_sound_is_replaced_and_told(
    broken: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(operators.OPERATORS, "flash_cpu", broken)
    with caplog.at_level(logging.WARNING):
        for shape, mask in CASES.values():
            agrees(shape, mask)
    assert len(caplog.records) == 1, "once for a device and dtype"
    assert "flash_cpu" in caplog.text


def agrees(shape: tuple[int, int, int, int, int, int], mask: Mask | None) -> None:
    q, k, v = inputs(shape)
    output, lse = plain(q, k, v, mask)
    got = attend(q, k, v, mask)
    assert got.kernel == "sdpa"
    torch.testing.assert_close(got.output, output, atol=1e-6, rtol=0)
    torch.testing.assert_close(got.lse, lse, atol=1e-6, rtol=0)
    with torch.no_grad():
        torch.testing.assert_close(forward_only(q, k, v, mask), output, atol=1e-6, rtol=0)


def test_every_way_round_the_kernel_is_right_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of rows, bands, what follows a cache, biases, rows that see nothing."""
    monkeypatch.setitem(operators.OPERATORS, "flash_cpu", absent)
    monkeypatch.setattr(kernels, "BLOCK", 4)
    monkeypatch.setattr(kernels, "BAND_ROWS", 2)
    monkeypatch.setattr(kernels, "MASK_CELLS", 0)
    masks: list[Mask | None] = [None, Causal(6), SlidingWindow(3, 6) & Causal(6), SlidingWindow(2, 6) & Causal(6)]
    for mask in masks:
        agrees((2, 6, 3, 7, 13, 8), mask)
    q, k, v = inputs((2, 4, 2, 7, 13, 8))
    cells = torch.rand(2, 7, 13, generator=torch.Generator().manual_seed(0)) > 0.5
    cells[0, 3] = False
    for bias in (None, torch.randn(1, 7, 13, 4).permute(0, 3, 1, 2), torch.randn(1, 1, 1, 13)):
        got = fused_cells(q, k, v, cells[:, None], bias)
        monkeypatch.undo()
        operators.forget()
        expected = fused_cells(q, k, v, cells[:, None], bias)
        monkeypatch.setitem(operators.OPERATORS, "flash_cpu", absent)
        assert (got.kernel, expected.kernel) == ("sdpa", "flash_cpu")
        torch.testing.assert_close(got.output, expected.output, atol=1e-6, rtol=0)
        torch.testing.assert_close(got.lse, expected.lse, atol=1e-6, rtol=0)
        operators.forget()


def test_half_precision_without_the_operator(monkeypatch: pytest.MonkeyPatch) -> None:
    q, k, v = inputs((2, 4, 2, 33, 33, 16))
    monkeypatch.setitem(operators.OPERATORS, "flash_cpu", absent)
    got = attend(*(x.to(torch.bfloat16) for x in (q, k, v)), Causal())
    output, lse = plain(q, k, v, Causal())
    assert (got.kernel, got.output.dtype, got.lse.dtype) == ("sdpa", torch.bfloat16, torch.float32)
    torch.testing.assert_close(got.output.float(), output, atol=2e-2, rtol=2e-2)
    torch.testing.assert_close(got.lse, lse, atol=2e-2, rtol=2e-2)


def test_inputs_that_a_sound_operator_refuses_go_round_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def choosy(q: Tensor, *arguments: Any) -> Any:
        if q.shape[2] == 6:
            raise RuntimeError("not six of them")
        return TRUE(q, *arguments)

    monkeypatch.setitem(operators.OPERATORS, "flash_cpu", choosy)
    for queries, kernel in ((5, "flash_cpu"), (6, "sdpa"), (7, "flash_cpu")):
        q, k, v = inputs((2, 4, 2, queries, queries, 8))
        got = attend(q, k, v, Causal())
        assert got.kernel == kernel
        torch.testing.assert_close(got.output, plain(q, k, v, Causal())[0], atol=1e-6, rtol=0)


@pytest.mark.parametrize("size", [1, 7, 8, 20])
def test_heads_are_filled_up_and_groups_repeated_for_an_operator_that_needs_it(
    size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: set[tuple[int, int]] = set()

    def choosy(q: Tensor, k: Tensor, v: Tensor, *arguments: Any) -> Any:
        assert not q.shape[-1] % 8
        assert q.shape[1] == k.shape[1] == v.shape[1]
        assert all(x.stride(-1) == 1 for x in (q, k, v))
        seen.add((q.shape[-1], k.shape[1]))
        return TRUE(q, k, v, *arguments)

    cpu = frozenset({torch.float32})
    monkeypatch.setitem(operators.OPERATORS, "choosy", choosy)
    monkeypatch.setattr(operators, "KERNELS", {"choosy": Takes("cpu", cpu, multiple=8, largest=16), **KERNELS})
    q, k, v = inputs((2, 6, 3, 5, 5, size))
    q = q.mT.contiguous().mT
    got = attend(q, k, v, Causal())
    output, lse = plain(q, k, v, Causal())
    assert got.kernel == ("choosy" if size <= 16 else "flash_cpu")
    torch.testing.assert_close(got.output, output, atol=1e-6, rtol=0)
    torch.testing.assert_close(got.lse, lse, atol=1e-6, rtol=0)
    assert {heads for _, heads in seen} <= {4, 6}, "those of the trial, and ours"


def test_an_operator_that_is_worth_it_for_long_inputs_alone_is_tried_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    late = Takes("cpu", frozenset({torch.float32}), groups=True, uneven=False, least=6)
    monkeypatch.setitem(operators.OPERATORS, "late", TRUE)
    monkeypatch.setattr(operators, "KERNELS", {"late": late, **KERNELS})
    kernels_of = {n: attend(*inputs((1, 4, 2, n, n, 8)), Causal()).kernel for n in (5, 6, 7)}
    assert kernels_of == {5: "flash_cpu", 6: "late", 7: "late"}
    operators.forget()
    monkeypatch.setitem(operators.OPERATORS, "late", other_base)
    assert attend(*inputs((1, 4, 2, 7, 7, 8)), Causal()).kernel == "flash_cpu"


def test_the_registry_has_an_operator_for_every_entry() -> None:
    assert KERNELS.keys() == operators.OPERATORS.keys()
    half = torch.zeros(1, 8, 600, 64, dtype=torch.bfloat16, device="meta")
    names = {name: takes for name, takes in KERNELS.items() if takes.device == "cuda"}
    causal = [name for name, takes in names.items() if replace(takes, device="meta")(half, half, half, True, None)]
    assert causal == ["cudnn", "flash_cuda", "efficient_cuda"]
    biased = [name for name, takes in names.items() if replace(takes, device="meta")(half, half, half, False, half)]
    assert biased == ["cudnn", "efficient_cuda"]
    assert [n for n, t in names.items() if replace(t, device="meta")(half.double(), half, half, False, None)] == []


def test_values_of_another_size_than_keys() -> None:
    q, k, v = inputs((2, 4, 4, 5, 5, 8))
    got = fused(q, k, v[..., :3])
    output, lse = plain(q, k, v[..., :3])
    torch.testing.assert_close(got.output, output, atol=1e-6, rtol=0)
    torch.testing.assert_close(got.lse, lse, atol=1e-6, rtol=0)


def test_each_is_tried_once_for_a_device_and_a_dtype(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[torch.dtype] = []
    attempt = operators._try
    monkeypatch.setattr(
        operators, "_try", lambda name, device, dtype, *rest: tried.append(dtype) or attempt(name, device, dtype, *rest)
    )
    state = torch.random.get_rng_state()
    for dtype in (torch.float32, torch.float64, torch.float32):
        for _ in range(3):
            attend(*(x.to(dtype) for x in torch.ones(3, 1, 2, 3, 8).unbind()))
    assert tried == [torch.float32, torch.float64]
    assert torch.equal(torch.random.get_rng_state(), state), "it draws nothing"


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_cuda_has_sound_operators_and_does_without(dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    q, k, v = (x.cuda().to(dtype) for x in inputs((2, 4, 2, 533, 533, 12)))
    names = ["efficient_cuda"] if dtype == torch.float32 else ["cudnn", "flash_cuda", "efficient_cuda"]
    assert all(operators.sound(name, q.device, dtype) for name in names)
    output, lse = plain(q, k, v, Causal())
    for name in ("", *names):
        if name:
            monkeypatch.setitem(operators.OPERATORS, name, absent)
            operators.forget()
        got = fused(q, k, v, Causal())
        torch.testing.assert_close(got.output, output, atol=2e-2, rtol=2e-2)
        torch.testing.assert_close(got.lse, lse, atol=2e-2, rtol=2e-2)
    assert got.kernel == "sdpa"


def without_gradients(*arguments: Any) -> tuple[Tensor, Tensor]:
    with torch.no_grad():
        return TRUE(*arguments)


class Halved(torch.autograd.Function):
    """An output whose gradient is wrong."""

    @staticmethod
    def forward(_context: Any, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(_context: Any, gradient: Tensor) -> Tensor:
        return gradient / 2


def with_wrong_gradients(*arguments: Any) -> tuple[Tensor, Tensor]:
    output, lse = TRUE(*arguments)
    return Halved.apply(output), lse


@pytest.mark.parametrize("broken", [without_gradients, with_wrong_gradients])
def test_an_operator_without_sound_gradients_is_used_where_nobody_wants_any(
    broken: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(operators.OPERATORS, "flash_cpu", broken)
    operators.forget()
    try:
        q, k, v = inputs(CASES["grouped causal"][0])
        assert attend(q, k, v, Causal()).kernel == "flash_cpu"
        q.requires_grad_()
        output, _, kernel = attend(q, k, v, Causal())
        assert kernel == "sdpa"
        expected, _ = plain(q, k, v, Causal())
        weights = torch.arange(output.numel()).view(output.shape).sin()
        ours, right = (torch.autograd.grad((x * weights).sum(), q)[0] for x in (output, expected))
        torch.testing.assert_close(ours, right)
    finally:
        operators.forget()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
def test_the_operator_of_the_cpu_has_sound_gradients(dtype: torch.dtype) -> None:
    operators.forget()
    assert operators.differentiable("flash_cpu", torch.device("cpu"), dtype)
