"""Measures of cells: by hand, and beside autograd through explicit weights."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from heedmap.model.attention.maps import AttentionMap
from heedmap.model.attention.products import gram_of
from heedmap.model.attention.tiles import HOW, How, reduce, size_at
from heedmap.model.errors import ParameterError, RangeError
from heedmap.model.measures.registry import CELLS, cell_measure, defined_on
from heedmap.model.trace.norms import PostNorm, deviations, output_norms
from tests.model.measures.layers import given, random_layer

ALL = slice(None)
GRADIENTS = ("gradient", "gradient-attention", "score-gradient", "cut-effect")


def of(name: str, layer: AttentionMap, rows: slice = ALL, cols: slice = ALL) -> Tensor:
    return defined_on(name, layer).window(layer, rows, cols)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("gradient", [2.0, 6.0]),
        ("gradient-attention", [0.5, 4.5]),
        ("score-gradient", [0.25 * (2 - 5), 0.75 * (6 - 5)]),
        # Without key 0 the output is 3 and the objective 6, without key 1 they are 1 and 2; it was 2.5 and 5.
        ("cut-effect", [1.0, -3.0]),
        ("value-norm", [0.25, 2.25]),
    ],
)
def test_two_keys_by_hand(name: str, values: list[float]) -> None:
    """A = (1/4, 3/4), v = (1, 3), and the objective is twice the output."""
    layer = given(torch.tensor([[[0.25, 0.75]]]), torch.tensor([[[1.0], [3.0]]]), torch.tensor([[[2.0]]]))
    torch.testing.assert_close(of(name, layer), torch.tensor([[values]]))


def explicit(layer: AttentionMap) -> tuple[Tensor, Tensor]:
    """Scores that may be differentiated, -inf where masked, and a value for each head."""
    scores = layer.q @ layer.k.repeat_interleave(2, dim=0).mT * 0.5
    scores = scores.masked_fill(~layer.visible(), float("-inf")).requires_grad_()
    return scores, layer.v.repeat_interleave(2, dim=0)


@pytest.mark.parametrize("causal", [False, True])
def test_gradients_are_those_of_autograd_through_explicit_weights(causal: bool) -> None:
    layer = random_layer(4, 6, 7, causal=causal)
    scores, v = explicit(layer)
    weights = scores.softmax(dim=-1)
    objective = (weights @ v * layer.d_output).sum()  # whose gradient at the output is d_output
    by_weight, by_score = torch.autograd.grad(objective, (weights, scores))
    visible = layer.visible()
    torch.testing.assert_close(of("gradient", layer), by_weight * visible, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(of("gradient-attention", layer), by_weight * weights, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(of("score-gradient", layer), by_score, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("causal", [False, True])
def test_the_effect_of_a_cut_is_that_of_hiding_the_key(causal: bool) -> None:
    """The objective is linear in the output here, so that the first order is all."""
    layer = random_layer(4, 6, 7, causal=causal)
    scores, v = explicit(layer)
    effects = of("cut-effect", layer)
    whole = (scores.softmax(dim=-1) @ v * layer.d_output).sum(dim=-1)
    for key in range(7):
        hidden = scores.detach().clone()
        hidden[..., key] = float("-inf")
        effect = (hidden.softmax(dim=-1).nan_to_num() @ v * layer.d_output).sum(dim=-1) - whole
        seen = layer.visible()[:, key]
        torch.testing.assert_close(effects[:, seen, key], effect[:, seen].detach(), atol=1e-4, rtol=1e-4)
        assert not effects[:, ~seen, key].any()


def test_a_cut_that_leaves_nothing_has_no_effect_to_estimate() -> None:
    layer = given(torch.tensor([[[1.0, 0.0]]]), torch.randn(1, 2, 3), torch.randn(1, 1, 3))
    assert not of("cut-effect", layer).any()


def with_projection(layer: AttentionMap, weight: Tensor) -> AttentionMap:
    """The layer with an output projection, and a layer normalisation behind it."""
    gram = PostNorm(weight, torch.zeros(len(weight)), torch.rand(len(weight)), 1e-5).gram(layer.heads)
    return replace(
        layer,
        output_norm=output_norms(layer.v, gram_of(weight, layer.heads)),
        normalised_norm=output_norms(layer.v, gram),
        deviation=deviations(torch.randn(layer.shape[0], len(weight)), 1e-5),
    )


def test_output_norm_is_the_length_of_what_the_projection_makes_of_the_value() -> None:
    layer, weight = random_layer(4, 6, 7), torch.randn(10, 4 * 3)  # M x H E, as a linear layer has it
    got = of("output-norm", with_projection(layer, weight))
    dense = layer.dense()
    for head in range(4):
        for key in range(7):
            whole = torch.zeros(4, 3)
            whole[head] = layer.v[head // 2, key]
            length = (weight @ whole.flatten()).norm()
            torch.testing.assert_close(got[head, :, key], dense[head, :, key] * length, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", CELLS)
def test_a_window_and_a_head_are_parts_of_the_whole(name: str) -> None:
    layer = with_projection(random_layer(4, 9, 9, causal=True), torch.randn(5, 12))
    whole = of(name, layer)
    torch.testing.assert_close(of(name, layer, slice(2, 7), slice(1, 5)), whole[:, 2:7, 1:5], atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(of(name, layer.head(2), ALL, slice(3, None)), whole[2:3, :, 3:], atol=1e-6, rtol=1e-5)
    assert not whole[:, ~layer.visible()].any()
    assert CELLS[name].signed == (name in GRADIENTS)
    assert CELLS[name].signed or bool((whole >= 0).all())
    with pytest.raises(RangeError, match="cols"):
        of(name, layer, ALL, slice(3, 99))


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("name", [name for name in CELLS if name != "weights"])
@pytest.mark.parametrize("causal", [False, True])
def test_any_measure_is_reduced_and_what_has_a_sign_keeps_it(name: str, how: How, causal: bool) -> None:
    layer = with_projection(random_layer(2, 37, 37, causal=causal), torch.randn(5, 6))
    whole, visible = of(name, layer), layer.visible()
    reduced = reduce(layer, range(10), range(10), 2, how, cell_measure(name))
    assert size_at(37, 2) == 10
    for row in range(10):
        for col in range(10):
            block = slice(4 * row, 4 * row + 4), slice(4 * col, 4 * col + 4)
            cells = whole[:, *block][:, visible[block]]
            assert reduced.visible[row, col] == cells.shape[1]
            for head in range(2 if cells.shape[1] else 0):
                expected = max(cells[head].tolist(), key=abs) if how == "max" else float(cells[head].mean())
                assert float(reduced.values[head, row, col]) == pytest.approx(expected, abs=1e-5, rel=1e-4)
    coarser, again = reduced.coarser(), reduce(layer, range(5), range(5), 3, how, cell_measure(name))
    torch.testing.assert_close(coarser.values, again.values, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", [*GRADIENTS, "output-norm", "normalised-norm"])
def test_what_a_layer_lacks_is_said(name: str) -> None:
    bare = replace(random_layer(2, 3, 3), d_output=None, delta=None)
    reasons = {"output-norm": "projection is not known", "normalised-norm": "no layer normalisation follows"}
    reason = reasons.get(name, "has no objective")
    with pytest.raises(
        ParameterError, match=rf"{name} is not defined here: .*{reason}.* weights, value-norm$"
    ) as caught:
        defined_on(name, bare)
    assert caught.value.field == "measure"
    weights_alone = given(torch.full((1, 2, 2), 0.5))
    assert "weights alone" in str(cell_measure(name).defined(weights_alone))
