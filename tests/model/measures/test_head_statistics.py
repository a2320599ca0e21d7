"""Heads by the shape of their rows: by hand, and in a loop over cells, on maps that are not square."""

import math

import pytest
import torch

from heedmap.model.measures.registry import HEADS
from tests.model.measures.layers import given, random_layer


def test_two_rows_of_four_keys_by_hand() -> None:
    """The second row's own relative place is key 2 = floor(1 * 4 / 2)."""
    layer = given(torch.tensor([[[1.0, 0.0, 0.0, 0.0], [0.5, 0.0, 0.25, 0.25]]]))
    found = {name: float(value) for name, value in layer.statistics().items()}
    assert found == {
        "entropy": pytest.approx((0 + 1.5 * math.log(2)) / 2),
        "distance": pytest.approx((0 + (0.5 * 1 + 0.25 * 1 + 0.25 * 2)) / 2),
        "sink": pytest.approx((1 + 0.5) / 2),
        "diagonal": pytest.approx((1 + 0.25) / 2),
        "max": pytest.approx((1 + 0.5) / 2),
    }
    assert set(found) <= {measure.statistic for measure in HEADS.values()}


@pytest.mark.parametrize(("queries", "keys"), [(7, 7), (7, 12), (12, 7)])
@pytest.mark.parametrize("causal", [False, True])
def test_statistics_are_those_of_a_loop_over_cells(queries: int, keys: int, causal: bool) -> None:
    layer = random_layer(4, queries, keys, causal=causal and keys >= queries)
    found = layer.statistics()
    for head, rows in enumerate(layer.dense().tolist()):
        expected = {
            "entropy": sum(-w * math.log(w) for row in rows for w in row if w > 0),
            "distance": sum(w * abs(i - j) for i, row in enumerate(rows) for j, w in enumerate(row)),
            "sink": sum(row[0] for row in rows),
            "diagonal": sum(row[math.floor(i * keys / queries)] for i, row in enumerate(rows)),
            "max": sum(max(row) for row in rows),
        }
        for name, total in expected.items():
            assert float(found[name][head]) == pytest.approx(total / queries, abs=1e-5), name
