"""Heads by the tokens that they look at, by hand and cell by cell."""

import math
from dataclasses import replace

import pytest
import torch

from heedmap.model.attention.masks import Causal
from heedmap.model.measures.token_heads import token_statistics
from tests.model.measures.layers import given, random_layer


def test_a_text_that_repeats_itself_by_hand() -> None:
    """A B A B: the second A sees the first and the B after it; the second B the first, and the A after it."""
    weights = torch.tensor([[[1, 0, 0, 0], [0.5, 0.5, 0, 0], [0.1, 0.2, 0.7, 0], [0.05, 0.25, 0.4, 0.3]]])
    layer = replace(given(weights), mask=Causal())
    found = token_statistics(layer, [7, 8, 7, 8])
    assert float(found["previous"]) == pytest.approx((0.5 + 0.2 + 0.4) / 3)
    assert float(found["duplicate"]) == pytest.approx((0.1 + 0.25) / 2)
    assert float(found["induction"]) == pytest.approx((0.2 + 0.4) / 2)


def test_where_no_token_stands_twice_there_is_no_answer() -> None:
    found = token_statistics(replace(given(torch.ones(1, 1, 1)), mask=Causal()), [3])
    assert all(math.isnan(float(value)) for value in found.values())


@pytest.mark.parametrize("causal", [False, True])
def test_statistics_are_those_of_a_loop_over_cells(causal: bool) -> None:
    ids = [1, 2, 3, 1, 1, 2, 4, 3, 2]
    layer = random_layer(2, 9, 9, causal=causal)
    weights, visible = layer.dense(), layer.visible()
    wanted = {
        "previous": lambda i, j: j == i - 1,
        "duplicate": lambda i, j: j != i and ids[j] == ids[i],
        "induction": lambda i, j: j not in (0, i, i + 1) and ids[j - 1] == ids[i],
    }
    found = token_statistics(layer, ids)
    for name, counts in wanted.items():
        rows = [[j for j in range(9) if visible[i, j] and counts(i, j)] for i in range(9)]
        means = [sum(weights[:, i, j] for j in some) for i, some in enumerate(rows) if some]
        torch.testing.assert_close(found[name], torch.stack(means).mean(dim=0))
