"""Overviews by the kernel beside those of the plain path: every mask, bias, score, dtype and level."""

import math

import pytest
import torch

from heedmap.model.attention import tiles
from heedmap.model.attention.biases import Toeplitz
from heedmap.model.attention.maps import AttentionMap
from heedmap.model.attention.masks import Causal, Full
from heedmap.model.attention.tiles import HOW, How, Reduced, reduce, reduce_strips, size_at
from tests.model.attention.triton.layers import DEVICE, MASKS, layer, on_the_plain_path

pytest.importorskip("triton", reason="published for Linux alone")
pytestmark = [pytest.mark.usefixtures("kernels"), *([pytest.mark.cuda] if DEVICE == "cuda" else [])]

# The tiles of the kernel are of 128 cells or of 64, by the dtype, the bias and the level.
KINDS = [
    {"sink": True, "heads": 4, "groups": 2},
    {"biased": 2},
    {"capped": True, "dtype": torch.bfloat16},
    {"biased": 1, "capped": True, "dtype": torch.float16},
    {"groups": 2, "size": 64, "dtype": torch.bfloat16},
    {"size": 40, "sink": True, "capped": True},
]


def blocks(one: AttentionMap, level: int) -> tuple[range, range]:
    return range(size_at(one.shape[0], level)), range(size_at(one.shape[1], level))


def by_kernel(one: AttentionMap, rows: range, cols: range, level: int, how: How) -> Reduced:
    """The reduction, which fails if any of it takes the plain path."""

    def refuse(*_: object) -> Reduced:
        raise AssertionError("the plain path")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiles, "_part", refuse)
        return reduce(one, rows, cols, level, how)


def agree(actual: Reduced, expected: Reduced) -> None:
    assert actual.how == expected.how
    assert torch.equal(actual.visible.cpu(), expected.visible)
    torch.testing.assert_close(actual.values.cpu(), expected.values, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", range(len(KINDS)))
@pytest.mark.parametrize("name", MASKS)
def test_every_mask_with_every_kind_of_map(name: str, kind: int) -> None:
    which = list(MASKS).index(name)
    level, how = (3 * kind + which) % 8, HOW[(kind + which // 2) % 2]
    one = layer(MASKS[name], **KINDS[kind])
    whole = blocks(one, level)
    agree(by_kernel(one, *whole, level, how), reduce(on_the_plain_path(one), *whole, level, how))


@pytest.mark.parametrize(("dtype", "how"), [(torch.float32, "mean"), (torch.bfloat16, "max")])
@pytest.mark.parametrize("level", range(10))
def test_every_level(level: int, dtype: torch.dtype, how: How) -> None:
    one = layer(Causal(80), dtype=dtype, heads=1, groups=1)
    whole = blocks(one, level)
    agree(by_kernel(one, *whole, level, how), reduce(on_the_plain_path(one), *whole, level, how))


@pytest.mark.parametrize("level", [0, 4, 7])
def test_parts_of_a_map_and_strips_of_it(level: int, monkeypatch: pytest.MonkeyPatch) -> None:
    one = layer(Causal(80) & MASKS["padding"], heads=2, groups=2, queries=290, keys=370)
    whole = blocks(one, level)
    part = whole[0][len(whole[0]) // 3 :], whole[1][len(whole[1]) // 4 : -1]
    expected = reduce(on_the_plain_path(one), *part, level)
    agree(by_kernel(one, *part, level, "max"), expected)
    monkeypatch.setattr(tiles, "KERNEL_BLOCKS", expected.values.numel() // 2 * 4 ** max(0, level - 6))
    strips = list(reduce_strips(one, *part, level))
    assert len(strips) > 1
    assert [row for rows, _ in strips for row in rows] == list(part[0])
    agree(tiles.below([reduced for _, reduced in strips]), expected)


def test_one_head_of_a_group_meets_its_own_keys() -> None:
    one = layer(Causal(80), heads=4, groups=2)
    for head in (0, 3):
        agree(
            by_kernel(one.head(head), *blocks(one, 3), 3, "max"),
            reduce(on_the_plain_path(one).head(head), *blocks(one, 3), 3),
        )


@pytest.mark.parametrize("how", HOW)
def test_a_row_that_sees_nothing_is_zero(how: How) -> None:
    one = layer(Full(), heads=1, groups=1, biased=1)
    one.lse[:, 3] = -math.inf  # as if a mask or a bias hid all of it
    assert isinstance(one.bias, Toeplitz)
    one.bias.values[:, :90] = -math.inf
    for biased in (one, AttentionMap(one.q, one.k, one.v, one.lse, one.score, one.mask)):
        values = by_kernel(biased, *blocks(one, 0), 0, how).values
        assert bool(values.isfinite().all())
        assert float(values[:, 3].abs().max()) == 0
        assert float(values[:, 2].max()) > 0


@pytest.mark.filterwarnings("ignore:All-NaN slice:RuntimeWarning", "ignore:invalid value:RuntimeWarning")
@pytest.mark.parametrize("level", [0, 3, 6])
@pytest.mark.parametrize("how", HOW)
def test_what_is_no_number_is_seen_and_hidden_keys_are_not(how: How, level: int) -> None:
    one = layer(Causal(), heads=2, groups=2)
    keys, lse = one.k.clone(), one.lse.clone()
    keys[0, 66:], lse[0, 66:] = math.nan, math.nan  # as a forward leaves them: only rows from 66 on see these keys
    broken = AttentionMap(one.q, keys, one.v, lse, one.score, one.mask)
    values, whole = by_kernel(broken, *blocks(one, level), level, how).values, blocks(one, level)
    finite = values.isfinite().all(dim=2)
    assert finite.tolist() == [[row < 66 >> level for row in whole[0]], [True for _ in whole[0]]]
