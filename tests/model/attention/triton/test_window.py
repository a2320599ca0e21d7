"""Windows by the kernel beside those of the plain path."""

from typing import Any

import pytest
import torch

from heedmap.model.attention.maps import AttentionMap
from tests.model.attention.triton.layers import DEVICE, KEYS, MASKS, QUERIES, layer, on_the_plain_path

pytest.importorskip("triton", reason="published for Linux alone")
pytestmark = [pytest.mark.usefixtures("kernels"), *([pytest.mark.cuda] if DEVICE == "cuda" else [])]

KINDS: list[dict[str, Any]] = [
    {"sink": True, "heads": 4, "groups": 2},
    {"biased": 2, "capped": True, "dtype": torch.bfloat16},
    {"biased": 1, "size": 130, "dtype": torch.float16},
]


@pytest.fixture(autouse=True)
def no_plain_path(kernels: None, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = AttentionMap._weights

    def refuse(self: AttentionMap, *places: torch.Tensor) -> torch.Tensor:
        assert self.q.dtype == torch.float64, "the plain path"
        return weights(self, *places)

    monkeypatch.setattr(AttentionMap, "_weights", refuse)


@pytest.mark.parametrize("name", MASKS)
def test_every_mask(name: str) -> None:
    one = layer(MASKS[name], **KINDS[list(MASKS).index(name) % len(KINDS)])
    exact = on_the_plain_path(one)
    for rows, cols in (
        (slice(None), slice(None)),
        (slice(3, 20), slice(17, 140)),
        (slice(QUERIES - 1, QUERIES), slice(KEYS - 1, KEYS)),
    ):
        actual, expected = one.window(rows, cols), exact.window(rows, cols)
        assert actual.dtype == torch.float32
        torch.testing.assert_close(actual.cpu().double(), expected, atol=1e-5, rtol=1e-5)


def test_what_is_made_of_rows() -> None:
    one = layer(MASKS["causal window"], dtype=torch.bfloat16)
    exact = on_the_plain_path(one)
    torch.testing.assert_close(one.entropy().cpu().double(), exact.entropy(), atol=1e-5, rtol=1e-5)
    actual, expected = one.top_k(slice(5, 40), 3), exact.top_k(slice(5, 40), 3)
    torch.testing.assert_close(actual[0].cpu().double(), expected[0], atol=1e-5, rtol=1e-5)
    assert torch.equal(actual[1].cpu(), expected[1])
