"""What the kernels take of a map, and what they leave to the plain path."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from heedmap.model.attention.biases import Dense, Toeplitz, Windowed
from heedmap.model.attention.masks import Blocks, Both, Causal, Full, Given, Mask, Padding, SlidingWindow
from heedmap.model.attention.scores import Additive, ScaledDot, SoftCapped
from heedmap.model.attention.triton.problem import band_of, problem_of

one_mask = st.one_of(
    st.just(Full()),
    st.builds(Causal, st.integers(-20, 20)),
    st.builds(SlidingWindow, st.integers(1, 15), st.integers(-20, 20)),
    st.builds(lambda length: Padding(torch.tensor([length])), st.integers(0, 20)),
)


@given(mask=st.recursive(one_mask, lambda some: st.builds(Both, some, some), max_leaves=4),
       queries=st.integers(1, 12), keys=st.integers(1, 12))  # fmt: skip
def test_a_band_shows_what_the_mask_shows(mask: Mask, queries: int, keys: int) -> None:
    band = band_of(mask, queries, keys)
    assert band is not None
    rows, cols = torch.arange(queries)[:, None], torch.arange(keys)
    visible = (cols >= (rows + band.low).clamp(min=0)) & (cols < (rows + band.high).clamp(max=band.stop))
    assert torch.equal(visible, mask.dense(queries, keys)[0])


def test_a_band_of_a_far_offset_stays_small() -> None:
    band = band_of(Causal(1 << 40) & SlidingWindow(1 << 50), 10, 10)
    assert band is not None
    assert max(map(abs, (band.low, band.high, band.stop))) <= 10  # the kernels count in 32 bits


@pytest.mark.parametrize(
    "other",
    [
        {"mask": Blocks(torch.arange(6) // 2)},
        {"mask": Given(torch.ones(1, 5, 6, dtype=torch.bool))},
        {"mask": Both(Causal(), Blocks(torch.arange(6) // 2))},
        {"bias": Dense(torch.zeros(1, 5, 6))},
        {"bias": Windowed(torch.zeros(1, 3, 3), torch.arange(6) % 3)},
        {"score": Additive(torch.ones(4))},
        {"score": ScaledDot(-1.0)},
        {"score": SoftCapped(-1.0, 2.0)},
        {"q": torch.zeros(4, 5, 4, dtype=torch.float64), "k": torch.zeros(2, 6, 4, dtype=torch.float64)},
        {"k": torch.zeros(2, 6, 4, dtype=torch.bfloat16)},
        {"q": torch.zeros(4, 5, 0), "k": torch.zeros(2, 6, 0)},
        {"lse": torch.zeros(4, 5, dtype=torch.float64)},
    ],
    ids=lambda other: "-".join(f"{key} {type(value).__name__}" for key, value in other.items()),
)
def test_what_kernels_do_not_know_is_left(other: dict[str, object]) -> None:
    known = {
        "q": torch.zeros(4, 5, 4), "k": torch.zeros(2, 6, 4), "lse": torch.zeros(4, 5), "score": ScaledDot(0.5),
        "mask": Causal(), "bias": Toeplitz(torch.zeros(1, 10), 5),
    }  # fmt: skip
    assert problem_of(**known) is not None
    assert problem_of(**{**known, **other}) is None
