"""Norms behind the layer normalisation: by hand, and beside every vector of a BERT, made one by one."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from torch import Tensor

from heedmap.model.attention.maps import AttentionMap
from heedmap.model.attention.tiles import reduce
from heedmap.model.contract import Objective, Request
from heedmap.model.errors import ParameterError
from heedmap.model.hub.attention.recorder import prepare, record
from heedmap.model.measures.registry import cell_measure, defined_on
from heedmap.model.trace.mixing import mixing_ratios
from heedmap.model.trace.norms import PostNorm, deviations, output_norms
from heedmap.model.trace.size import cost_of
from heedmap.model.trace.trace import Trace
from tests.model.hub import checkpoints
from tests.model.hub.families import BY_NAME
from tests.model.hub.serving import served, trace
from tests.model.measures.layers import given

ALL = slice(None)
NORM = cell_measure("normalised-norm")
TEXT = "The girl is reading a book."


def test_two_layers_by_hand() -> None:
    """One head, M = 2: a value v becomes (3v, v), centred (v, -v), and times the weight (2, 1) it is (2v, -v)."""
    projection, weight = torch.tensor([[3.0], [1.0]]), torch.tensor([2.0, 1.0])
    gram = PostNorm(projection, torch.zeros(2), weight, 1.0).gram(1)
    assert gram.tolist() == [[[5.0]]]
    first = given(torch.tensor([[[0.25, 0.75], [0.5, 0.5]]]), torch.tensor([[[4.0], [-8.0]]]))
    # The sums that are normalised: (1, 1 + 2 sqrt(3)) has variance 3 and is divided by 2, (5, 5) by 1.
    sums = torch.tensor([[1.0, 1 + 2 * 3**0.5], [5.0, 5.0]])
    deviation = deviations(sums, 1.0)
    torch.testing.assert_close(deviation, torch.tensor([2.0, 1.0]))
    first = replace(first, normalised_norm=output_norms(first.v, gram), deviation=deviation)
    root = 5**0.5
    expected = torch.tensor([[[4 * root * 0.25 / 2, 8 * root * 0.75 / 2], [4 * root * 0.5, 8 * root * 0.5]]])
    torch.testing.assert_close(NORM.window(first, ALL, ALL), expected)
    torch.testing.assert_close(NORM.window(first, slice(1, 2), slice(0, 1)), expected[:, 1:, :1])
    # Another layer, without a weight, which adds to all of the width alike: centring takes all of it out again.
    level = PostNorm(torch.ones(2, 1), torch.zeros(2), None, 0.0).gram(1)
    second = replace(first, normalised_norm=output_norms(first.v, level), deviation=torch.ones(2))
    assert not NORM.window(second, ALL, ALL).any()


def test_mixing_by_hand() -> None:
    """Two tokens, M = 2, one head whose value v becomes (v, 0), normalised as (v/2, -v/2), and no bias.

    To the first, of value 4, its own brings 1 and the other's, of value 8, brings 6; its residual is (3, 1).
    """
    weights, v = torch.tensor([[[0.25, 0.75], [1.0, 0.0]]]), torch.tensor([[[4.0], [8.0]]])
    layer, behind = given(weights, v), PostNorm(torch.tensor([[1.0], [0.0]]), torch.zeros(2), None, 0.0)
    output = weights @ v
    residual = torch.tensor([[3.0, 1.0], [0.0, 2.0]])
    summed = residual + torch.cat([output[0], torch.zeros(2, 1)], dim=1)
    got = mixing_ratios(layer, output, summed, behind)
    # Lengths are sqrt(2) times: others 6/2, own and residual (1 + 3 - 1)/2; then others 4/2, residual -2/2.
    torch.testing.assert_close(got, torch.tensor([3 / (3 + 1.5), 2 / (2 + 1)]))


def vectors(bert: Any, ids: Tensor) -> tuple[list[Tensor], list[Tensor]]:
    """By transformers' eager attention: of each layer the length of every edge's vector (H Q K), and the mixing (Q)."""
    bert.set_attn_implementation("eager")
    kept: dict[int, Tensor] = {}
    hooks = [
        layer.attention.output.register_forward_hook(lambda _, inputs, output, at=at: kept.__setitem__(at, output))
        for at, layer in enumerate(bert.encoder.layer)
    ]
    with torch.inference_mode():
        outputs = bert(ids, output_attentions=True, output_hidden_states=True)
    for hook in hooks:
        hook.remove()
    lengths, mixing = [], []
    for at, layer in enumerate(bert.encoder.layer):
        hidden, weights = outputs.hidden_states[at][0].double(), outputs.attentions[at][0].double()
        attention, norm = layer.attention, layer.attention.output.LayerNorm
        heads, count, size = len(weights), len(hidden), attention.self.attention_head_size
        dense, bias = attention.output.dense.weight.double(), attention.output.dense.bias.double()
        values = torch.nn.functional.linear(
            hidden, attention.self.value.weight.double(), attention.self.value.bias.double()
        )
        parts = torch.zeros(heads, count, count, hidden.shape[1], dtype=torch.float64)
        for head in range(heads):
            own = slice(head * size, (head + 1) * size)
            for i in range(count):
                for j in range(count):
                    parts[head, i, j] = weights[head, i, j] * (dense[:, own] @ values[j, own])
        summed = hidden + parts.sum(dim=(0, 2)) + bias
        spread = ((summed - summed.mean(-1, keepdim=True)).square().mean(-1) + norm.eps).sqrt()

        def behind(x: Tensor, spread: Tensor = spread, norm: Any = norm) -> Tensor:
            return (x - x.mean(-1, keepdim=True)) / spread[:, None] * norm.weight.double()

        edge = torch.stack([torch.stack([behind(parts[h, :, j]) for j in range(count)], 1) for h in range(heads)])
        # Exactly the block's own output, which says that nothing is left out.
        whole = edge.sum(dim=(0, 2)) + behind(hidden) + behind(bias.expand_as(hidden)) + norm.bias.double()
        torch.testing.assert_close(whole, kept[at][0].double(), atol=1e-4, rtol=1e-4)
        lengths.append(edge.norm(dim=-1))
        own = torch.stack([edge[:, i, i].sum(dim=0) for i in range(count)])
        mixed, preserved = (edge.sum(dim=(0, 2)) - own).norm(dim=-1), (own + behind(hidden)).norm(dim=-1)
        mixing.append(mixed / (mixed + preserved))
    return lengths, mixing


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Trace]:
    folder = checkpoints.bert(tmp_path_factory.mktemp("bert"), "sequence-classification")
    model = served(folder, "text-classification")
    for layer in model.loaded.model.bert.encoder.layer:
        assert not torch.equal(layer.attention.output.LayerNorm.weight, torch.ones(32)), "a weight that would not show"
    return model, trace(model, TEXT)


def test_of_a_bert_it_is_the_length_of_every_edges_vector(bert: tuple[Any, Trace], tmp_path: Path) -> None:
    model, made = bert
    plain = transformers.AutoModel.from_pretrained(model.loaded.folder, attn_implementation="eager")
    ids = torch.tensor([made.axes[made.site_axes["encoder"][0]].ids])
    lengths, mixing = vectors(plain, ids)
    path = tmp_path / "a.safetensors"
    made.save(path)
    for read in (made, Trace.load(path)):
        for at, expected in enumerate(lengths):
            layer = read.map("encoder", at)
            got = NORM.window(layer, ALL, ALL)
            torch.testing.assert_close(got.double(), expected, atol=1e-5, rtol=1e-3)
            assert layer.mixing is not None
            torch.testing.assert_close(layer.mixing.double(), mixing[at], atol=1e-5, rtol=1e-3)
            assert float((defined_on("output-norm", layer).window(layer, ALL, ALL) - got).abs().max()) > 0.01


def test_what_a_trace_will_take_is_known_with_it(bert: tuple[Any, Trace]) -> None:
    model, made = bert
    assert model.cost == cost_of(made.layers)
    without: dict[str, None] = dict.fromkeys(("normalised_norm", "deviation", "mixing"))
    query, key = cost_of({"encoder": [replace(layer, **without) for layer in made.layers["encoder"]]})["encoder"]
    assert model.cost["encoder"] == (query + 2 * 2 * 4, key + 2 * 4 * 4)  # layers; two numbers, a head's one; bytes


def test_windows_and_tiles_are_parts_of_the_whole(bert: tuple[Any, Trace]) -> None:
    layer = bert[1].map("encoder", 1)
    whole = NORM.window(layer, ALL, ALL)
    count = layer.shape[0]
    assert count > 5
    torch.testing.assert_close(NORM.window(layer, slice(1, 5), slice(2, 4)), whole[:, 1:5, 2:4])
    torch.testing.assert_close(NORM.window(layer.head(2), ALL, slice(3, None)), whole[2:3, :, 3:])
    tile = reduce(layer, range((count + 1) // 2), range((count + 1) // 2), 1, "max", NORM)
    torch.testing.assert_close(tile.values[:, 1, 1], whole[:, 2:4, 2:4].amax(dim=(1, 2)))
    mean = reduce(layer, range((count + 1) // 2), range((count + 1) // 2), 1, "mean", NORM)
    torch.testing.assert_close(mean.values[:, 0, 2], whole[:, 0:2, 4:6].mean(dim=(1, 2)))


def test_it_is_of_the_pass_as_it_was(bert: tuple[Any, Trace]) -> None:
    """A pass that is differentiated records the same; one in which a head is silent divides by another deviation."""
    model, plain = bert
    [differentiated] = model.trace([Request(TEXT, objective=Objective(label="good"))])
    for at in range(2):
        torch.testing.assert_close(
            NORM.window(differentiated.map("encoder", at), ALL, ALL), NORM.window(plain.map("encoder", at), ALL, ALL)
        )


def layers_of(family: str) -> dict[str, list[AttentionMap]]:
    """A family's maps, of the pass that shows what follows on its attention."""
    record_of = BY_NAME[family]
    wiring = prepare(record_of.build("eager"))
    inputs = record_of.inputs()
    with torch.inference_mode(), wiring.watching(), record(wiring) as recorder:
        wiring.model(**inputs)
    return recorder.maps(1, {**record_of.lengths[1]})  # the row with padding


@pytest.mark.parametrize("family", ["albert", "bart", "distilbert", "marian"])
def test_other_post_norm_families_have_it_at_every_site(family: str) -> None:
    """ALBERT's layers share one normalisation; an encoder-decoder has one behind each of its attentions."""
    for site, layers in layers_of(family).items():
        deviations = []
        for layer in layers:
            assert layer.deviation is not None
            assert defined_on("normalised-norm", layer).window(layer, ALL, ALL).any()
            deviations.append(layer.deviation)
            assert (layer.mixing is None) == (site == "cross")
        assert not torch.equal(*deviations), "each layer has its own sums"


@pytest.mark.parametrize("family", ["gpt2", "llama", "mbart", "vit"])
def test_in_pre_norm_models_it_is_not_defined(family: str) -> None:
    for layers in layers_of(family).values():
        for layer in layers:
            with pytest.raises(ParameterError, match="no layer normalisation follows directly") as caught:
                defined_on("normalised-norm", layer)
            assert caught.value.field == "measure"
            assert "output-norm" in str(caught.value)
