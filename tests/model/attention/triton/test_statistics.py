"""Statistics by the kernel beside those of the plain path."""

from typing import Any

import pytest
import torch

from heedmap.model.attention.maps import AttentionMap
from heedmap.model.attention.triton import dispatch
from tests.model.attention.triton.layers import DEVICE, MASKS, layer, on_the_plain_path

pytest.importorskip("triton", reason="published for Linux alone")
pytestmark = [pytest.mark.usefixtures("kernels"), *([pytest.mark.cuda] if DEVICE == "cuda" else [])]

KINDS: list[dict[str, Any]] = [
    {"sink": True, "heads": 4, "groups": 2},
    {"biased": 2, "capped": True, "dtype": torch.bfloat16},
    {"groups": 2, "size": 40, "dtype": torch.float16},
]


def by_kernel(one: AttentionMap, rows: int | None) -> dict[str, torch.Tensor]:
    """The statistics, which fail if they take the plain path."""

    def refuse(*_: object) -> None:
        raise AssertionError("the plain path")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AttentionMap, "_blocks", refuse)
        return one.statistics(rows)


@pytest.mark.parametrize("name", MASKS)
def test_every_mask(name: str) -> None:
    which = list(MASKS).index(name)
    one = layer(MASKS[name], **KINDS[which % len(KINDS)])
    for rows in (None, 7):
        expected, actual = on_the_plain_path(one).statistics(rows), by_kernel(one, rows)
        assert list(actual) == list(expected)
        for key, values in actual.items():
            torch.testing.assert_close(values, expected[key], atol=1e-5, rtol=1e-5, msg=key)


def test_keys_are_shared_out_where_rows_are_few() -> None:
    one = layer(MASKS["full"], heads=1, queries=20, keys=1100, size=16)  # 35 tiles, a half for each of two programs
    expected, actual = on_the_plain_path(one).statistics(), by_kernel(one, None)
    for key, values in actual.items():
        torch.testing.assert_close(values, expected[key], atol=1e-5, rtol=1e-5, msg=key)


@pytest.mark.filterwarnings("ignore:All-NaN slice:RuntimeWarning")  # the interpreter's
def test_what_is_no_number_is_seen() -> None:
    one = layer(MASKS["full"])
    one.lse[1, 3] = torch.nan
    actual = by_kernel(one, None)
    assert actual["entropy"].isfinite().tolist() == actual["sink"].isfinite().tolist() == [True, False]


def test_a_kernel_that_fails_leaves_them_to_the_plain_path(monkeypatch: pytest.MonkeyPatch) -> None:
    one = layer(MASKS["causal"])
    monkeypatch.setattr(dispatch, "statistics", lambda *_: None)
    expected = on_the_plain_path(one).statistics(9)
    for key, values in one.statistics(9).items():
        torch.testing.assert_close(values, expected[key], atol=1e-5, rtol=1e-5, msg=key)
