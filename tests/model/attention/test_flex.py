"""FlexAttention, by its own uncompiled formula: our masks, biases and soft-caps as it takes them are what they are."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.nn.attention import flex_attention as library

from heedmap.model.attention import flex, kernels
from heedmap.model.attention.biases import Bias, Dense, Toeplitz, Windowed
from heedmap.model.attention.kernels import plain
from heedmap.model.attention.masks import ALL, NONE, Blocks, Both, Causal, Full, Given, Mask, Padding, SlidingWindow
from heedmap.model.attention.scores import ScaledDot, Score, SoftCapped
from tests.model.attention.test_kernels import inputs

Q, K = 200, 300
SCATTERED = torch.rand(2, Q, K, generator=torch.Generator().manual_seed(1)) > 0.7
SCATTERED[0, 3] = False
SCATTERED[1, :, 128:256] = False
MASKS: dict[str, Mask | None] = {
    "none": None,
    "full": Full(),
    "causal": Causal(100),
    "upper left": Causal(),
    "window": SlidingWindow(40, 100),
    "causal window": Causal(100) & SlidingWindow(150, 100),
    "padding": Padding(torch.tensor([300, 130])),
    "one padding": Padding(torch.tensor([129])),
    "blocks": Blocks(torch.arange(K) // 70),
    "scattered blocks": Blocks(torch.arange(K) % 7),
    "given": Given(SCATTERED),
    "given once": Given(SCATTERED[:1]),
    "padded causal": Both(Padding(torch.tensor([300, 170])), Causal(100)),
}
WAVE = torch.arange(Q + K - 1).sin()
BIASES: dict[str, torch.Tensor | Bias | None] = {
    "none": None,
    "toeplitz": Toeplitz(torch.stack([WAVE * n for n in (1, 2, 3, 4)]), Q),
    "one toeplitz": Toeplitz(WAVE[None], Q),
    "windowed": Windowed(torch.arange(4 * 25.0).sin().view(4, 5, 5), torch.arange(K) % 5),
    "dense": Dense(torch.arange(4.0 * Q * K).sin().view(4, Q, K)),
    "tensor": torch.arange(2.0 * K).sin().view(2, 1, 1, K),
}


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Its formula in plain PyTorch, for any device."""
    monkeypatch.setattr(library, "_FLEX_ATTENTION_DISABLE_COMPILE_DEBUG", True)
    return library.flex_attention


def dense(bias: torch.Tensor | Bias | None) -> torch.Tensor | None:
    return bias.cells(torch.arange(Q), torch.arange(K))[None] if isinstance(bias, Bias) else bias


@pytest.mark.parametrize("score", [ScaledDot(0.3), SoftCapped(0.3, 1.5)], ids=["dot", "capped"])
@pytest.mark.parametrize("mask", MASKS)
def test_every_mask_is_what_it_is(mask: str, score: Score, run: Callable[..., Any]) -> None:
    q, k, v = inputs((2, 4, 2, Q, K, 16))
    output, lse = flex.attend(q, k, v, MASKS[mask], None, score, run)
    expected, denominators = plain(q, k, v, MASKS[mask], None, score)
    torch.testing.assert_close(output, expected, atol=2e-6, rtol=0)
    torch.testing.assert_close(lse, denominators, atol=2e-6, rtol=0)


@pytest.mark.parametrize("bias", BIASES)
def test_every_bias_is_what_it_is(bias: str, run: Callable[..., Any]) -> None:
    q, k, v = inputs((2, 4, 2, Q, K, 16))
    for mask, score in ((MASKS["causal window"], SoftCapped(0.3, 1.5)), (None, ScaledDot(0.3))):
        output, lse = flex.attend(q, k, v, mask, BIASES[bias], score, run)
        expected, denominators = plain(q, k, v, mask, dense(BIASES[bias]), score)
        torch.testing.assert_close(output, expected, atol=2e-6, rtol=0)
        torch.testing.assert_close(lse, denominators, atol=2e-6, rtol=0)


@pytest.mark.parametrize("mask", [name for name in MASKS if MASKS[name] is not None])
def test_blocks_that_are_left_out_hide_everything_and_whole_ones_nothing(mask: str) -> None:
    shown = MASKS[mask]
    assert shown is not None
    some, whole = flex.coverage(shown, Q, K, torch.device("cpu"))
    cells = shown.dense(Q, K)
    assert not (whole & ~some).any()
    for b in range(cells.shape[0]):
        for row in range(some.shape[1]):
            for col in range(some.shape[2]):
                block = cells[b, row * 128 : row * 128 + 128, col * 128 : col * 128 + 128]
                at = min(b, some.shape[0] - 1), row, col
                assert some[at] or not block.any()
                assert block.all() or not whole[at]
    if isinstance(shown, Causal | SlidingWindow):
        covered = [
            shown.covers(range(row, min(row + 128, Q)), range(col, min(col + 128, K)))
            for row in range(0, Q, 128)
            for col in range(0, K, 128)
        ]
        assert some.flatten().tolist() == [each != NONE for each in covered], "no block too many"
        assert whole.flatten().tolist() == [each == ALL for each in covered]


def test_the_trial_tells_a_sound_kernel_from_others(run: Callable[..., Any]) -> None:
    cpu = torch.device("cpu")
    assert flex._agrees(cpu, torch.float32, run)
    assert flex._agrees(cpu, torch.bfloat16, run)

    def other_base(*arguments: Any, **options: Any) -> Any:
        output, extra = run(*arguments, **options)
        return output, extra._replace(lse=extra.lse / math.log(2))

    def uncapped(*arguments: Any, **options: Any) -> Any:
        return run(*arguments, **{**options, "score_mod": None})

    assert not flex._agrees(cpu, torch.float32, other_base)
    assert not flex._agrees(cpu, torch.float32, uncapped)


def test_what_the_fixed_kernels_lack_goes_there(run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def suits(q: torch.Tensor, *_: Any) -> bool:
        return q.shape[2] >= 100

    monkeypatch.setattr(flex, "suits", suits)
    monkeypatch.setattr(flex, "_compiled", lambda: run)
    capped = SoftCapped(0.3, 1.5)
    for shape, mask, bias, score, kernel in (
        ((2, 4, 2, Q, K, 16), Causal(100), None, None, "flex"),
        ((2, 4, 2, Q, K, 16), Causal(100) & SlidingWindow(90, 100), None, None, "flex"),
        ((2, 4, 2, Q, K, 16), Blocks(torch.arange(K) // 70), None, None, "flex"),
        ((2, 4, 2, Q, K, 16), None, BIASES["toeplitz"], None, "flex"),
        ((2, 4, 2, Q, K, 16), None, None, capped, "flex"),
        ((2, 4, 2, Q, K, 16), Padding(torch.tensor([300, 130])), None, None, "flash_cpu"),
        ((2, 4, 2, Q, Q, 16), Causal(), None, None, "flash_cpu"),
        ((2, 4, 2, Q, K, 16), None, BIASES["tensor"], None, "flash_cpu"),
        ((2, 4, 2, 50, 50, 16), Causal(), None, capped, "blockwise"),
        ((2, 4, 2, 50, 50, 16), None, Toeplitz(WAVE[None, :99], 50), None, "flash_cpu"),
    ):
        q, k, v = inputs(shape)
        got = kernels.attend(q, k, v, mask, bias, score)
        assert got.kernel == kernel
        cells = bias.cells(torch.arange(shape[3]), torch.arange(shape[4]))[None] if isinstance(bias, Bias) else bias
        output, lse = plain(q, k, v, mask, cells, score)
        torch.testing.assert_close(got.output, output, atol=2e-6, rtol=0)
        torch.testing.assert_close(got.lse, lse, atol=2e-6, rtol=0)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_compiled_on_the_card(dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flex, "LEAST_CELLS", 1)
    tolerance = 5e-3 if dtype == torch.float32 else 3e-2
    for mask, score in ((Causal(100) & SlidingWindow(90, 100), ScaledDot(0.3)), (Causal(100), SoftCapped(0.3, 1.5))):
        q, k, v = (x.cuda().to(dtype) for x in inputs((2, 4, 2, Q, K, 16)))
        got = kernels.attend(q, k, v, mask, None, score)
        assert got.kernel == "flex"
        output, lse = plain(q, k, v, mask, None, score)
        torch.testing.assert_close(got.output, output, atol=tolerance, rtol=tolerance)
        torch.testing.assert_close(got.lse, lse, atol=tolerance, rtol=tolerance)
