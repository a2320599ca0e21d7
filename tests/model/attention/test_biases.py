"""Biases: the smallest form that gives the same cells, by hand and against random ones."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from heedmap.model.attention.biases import Dense, Edited, Toeplitz, Windowed, from_description, recognise
from heedmap.model.errors import TraceError


def test_a_toeplitz_bias_worked_by_hand() -> None:
    # Offsets j - i run from -1 to 2 over two queries and three keys.
    bias = Toeplitz(torch.tensor([[10.0, 20.0, 30.0, 40.0]]), queries=2)
    cells = bias.cells(torch.arange(2), torch.arange(3))
    assert cells.tolist() == [[[20.0, 30.0, 40.0], [10.0, 20.0, 30.0]]]


def test_a_windowed_bias_worked_by_hand() -> None:
    table = torch.tensor([[[1.0, 2.0], [3.0, 4.0]]])
    bias = Windowed(table, torch.tensor([0, 1, 0]))
    assert bias.cells(torch.arange(3), torch.arange(3)).tolist() == [[[1, 2, 1], [3, 4, 3], [1, 2, 1]]]


@given(
    st.integers(1, 3), st.integers(1, 6), st.integers(1, 6), st.sampled_from(["zero", "offsets", "any"]), st.integers(0)
)
def test_recognised_biases_have_the_same_cells(heads: int, queries: int, keys: int, kind: str, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed % 2**31)
    if kind == "zero":
        values = torch.zeros(heads, queries, keys)
    elif kind == "offsets":
        line = torch.randn(heads, queries + keys - 1, generator=generator)
        offset = torch.arange(keys)[None, :] - torch.arange(queries)[:, None] + queries - 1
        values = line[:, offset]
    else:
        values = torch.randn(heads, queries, keys, generator=generator)
    bias = recognise(values)
    if kind == "zero":
        assert bias is None
        return
    assert bias is not None
    if kind == "offsets":
        assert isinstance(bias, Toeplitz)
        assert bias.values.shape == (heads, queries + keys - 1)
    again = from_description(bias.describe(), bias.tensors())
    assert again is not None
    rows, columns = torch.arange(queries), torch.arange(keys)
    for form in (bias, again):
        assert torch.equal(form.cells(rows, columns), values)
        assert torch.equal(form.head(heads - 1).cells(rows, columns), values[heads - 1 :])


def test_one_changed_cell_is_no_toeplitz_bias() -> None:
    values = Toeplitz(torch.arange(7.0)[None], 4).cells(torch.arange(4), torch.arange(4))
    values[0, 3, 2] += 1
    assert isinstance(recognise(values), Dense)


def test_a_description_of_nothing_known_is_an_error() -> None:
    for description in ({"kind": "spiral"}, {"kind": "dense"}, {}):
        with pytest.raises(TraceError, match="bias"):
            from_description(description, {})
    assert from_description(None, {}) is None


def test_an_edited_bias_worked_by_hand() -> None:
    base = Toeplitz(torch.tensor([[10.0, 20.0, 30.0, 40.0]]), queries=2)
    cuts = torch.tensor([[-1, 0, 1, 0, 1], [1, 1, 1 << 40, 1, 3]])
    bias = Edited(base, torch.tensor([1.0, 0.5]), cuts, torch.tensor([[0, 1]]), torch.tensor([[-1.0, -2.0, -3.0]]))
    hidden = -math.inf
    whole = [[[hidden, 30, 40], [-1, -2, -3]], [[hidden, 15, 20], [5, hidden, hidden]]]
    rows, cols = torch.arange(2), torch.arange(3)
    assert bias.cells(rows, cols).tolist() == whole
    assert bias.cells(rows[1:], cols[1:]).tolist() == [[[-2, -3]], [[hidden, hidden]]]
    assert bias.cells(rows[:0], cols).shape == (2, 0, 3)
    for head in range(2):
        assert bias.head(head).cells(rows, cols).tolist() == whole[head : head + 1]
    again = from_description(bias.describe(), bias.tensors())
    assert again is not None
    assert again.cells(rows, cols).tolist() == whole
    bare = Edited(None, torch.ones(2), cuts, torch.zeros(0, 2, dtype=torch.int64), torch.zeros(0, 0))
    assert bare.cells(rows, cols).tolist() == [[[hidden, 0, 0], [0, 0, 0]], [[hidden, 0, 0], [0, hidden, hidden]]]
    assert bare.to(torch.device("cpu")).head(1).head(0).cells(rows, cols).tolist() == [
        bare.cells(rows, cols)[1].tolist()
    ]
