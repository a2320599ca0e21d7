"""What heads copy: by hand, against the whole circuit's eigenvalues, and in traces of our own and of others' models."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from heedmap.model.contract import Request
from heedmap.model.load import load
from heedmap.model.measures.registry import HEADS
from heedmap.model.trace.copying import Unembedding, copying
from heedmap.model.trace.trace import Trace
from tests.model.hub import checkpoints
from tests.model.hub.serving import served, trace


def test_by_hand() -> None:
    """Two tokens along two axes, whose mean is (1/2, 1/2): one head gives what it reads, one swaps, one gives 3 and -1.

    Values are (2, 0) and (0, 1). Of the head that gives what it reads, c is (2, 0) (1/2, -1/2) and (0, 1) (-1/2, 1/2).
    """
    unembedding, v = Unembedding(torch.eye(2)), torch.tensor([[[2.0, 0.0], [0.0, 1.0]]])
    parts = torch.stack([torch.eye(2), torch.eye(2).flip(0), torch.tensor([[3.0, 0.0], [2.0, 0.0]])])
    got = copying(v, parts, unembedding, [0, 1])
    assert got is not None
    assert got.tolist() == pytest.approx([1, -1, (3 - 1) / (3 + 1)])
    only = copying(v, parts, unembedding, [-1, 1])
    assert only is not None
    assert only.tolist() == [1, -1, -1]
    assert copying(v, parts, unembedding, [-1, 7]) is None
    nothing = copying(torch.zeros(1, 2, 2), parts, unembedding, [0, 1])
    assert nothing is not None
    assert nothing.tolist() == [0, 0, 0]


def test_over_all_tokens_the_sum_is_that_of_the_circuits_eigenvalues() -> None:
    """W_E W_V W_O W_U has as its trace the sum of its eigenvalues, of which Elhage et al. take the share."""
    make = torch.Generator().manual_seed(0)
    vocabulary, width, size = 30, 12, 4
    embedding, v, o, u = (
        torch.randn(shape, generator=make, dtype=torch.float64)
        for shape in ((vocabulary, width), (width, size), (size, width), (vocabulary, width))
    )
    u = u - u.mean(dim=0)
    eigenvalues = torch.linalg.eigvals(embedding @ v @ o @ u.mT)
    assert float(eigenvalues.imag.sum()) == pytest.approx(0, abs=1e-9)
    got = copying((embedding @ v)[None].float(), o[None].float(), Unembedding(u.float()), range(vocabulary))
    logits = ((embedding @ v @ o) * u).sum(dim=-1)
    assert got is not None
    assert float(got) == pytest.approx(float(eigenvalues.real.sum() / logits.abs().sum()), abs=1e-5)


def test_a_longer_input_is_sampled_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("heedmap.model.trace.copying.KEYS", 3)
    v, parts = torch.randn(2, 9, 4), torch.randn(4, 4, 6)
    unembedding, ids = Unembedding(torch.randn(20, 6)), list(range(9))
    some = [0, 4, 8]
    expected = copying(v[:, some], parts, unembedding, some)
    got = copying(v, parts, unembedding, ids)
    assert got is not None
    assert expected is not None
    torch.testing.assert_close(got, expected)


def expected_of(layer: Any, weight: Tensor, table: Tensor, ids: list[int]) -> Tensor:
    """By the formula, a head at a time, in float64: `weight` is the output projection (M N)."""
    size = layer.v.shape[2]
    result = []
    for head in range(layer.heads):
        values = layer.v[head // (layer.heads // layer.kv_heads)].double()
        part = weight.double()[:, head * size : (head + 1) * size].mT
        directions = table.double()[ids] - table.double().mean(dim=0)
        logits = (values @ part * directions).sum(dim=-1)
        result.append(logits.sum() / logits.abs().sum())
    return torch.stack(result).float()


def test_of_our_translator_and_through_its_file(tiny: Path, tmp_path: Path) -> None:
    model: Any = load(tiny)
    [made] = model.trace([Request("Wo ist der Bahnhof?", "Where is it?")])
    assert isinstance(made, Trace)
    assert all(layer.copying is None for layer in made.layers["encoder"]), "what an encoder adds nobody reads as tokens"
    table = model.network.embedding.weight
    for site, name in (("decoder", "attention"), ("cross", "cross")):
        ids = made.axes[made.site_axes[site][1]].ids
        for layer, module in zip(made.layers[site], model.network.decoder, strict=True):
            weight = getattr(module, name).output.weight
            assert layer.copying is not None
            torch.testing.assert_close(layer.copying, expected_of(layer, weight, table, ids), atol=1e-4, rtol=1e-4)
            assert layer.head(1).copying.tolist() == layer.copying[1:2].tolist()  # type: ignore[union-attr]
    made.save(tmp_path / "file")
    again = Trace.load(tmp_path / "file")
    for one, other in zip(made.layers["cross"], again.layers["cross"], strict=True):
        assert one.copying is not None
        assert other.copying is not None
        assert one.copying.tolist() == other.copying.tolist()


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_of_decoders_by_their_output_embedding(tmp_path: Path, family: str) -> None:
    """GPT-2 keeps its projections the other way round."""
    model = served(getattr(checkpoints, family)(tmp_path / "model"), "text-generation")
    made = trace(model, "The girl is reading", " a book")
    network = model.loaded.model
    table = network.get_output_embeddings().weight
    for index, layer in enumerate(made.layers["decoder"]):
        if family == "gpt2":
            weight = network.transformer.h[index].attn.c_proj.weight.mT
        else:
            weight = network.model.layers[index].self_attn.o_proj.weight
        assert layer.copying is not None
        expected = expected_of(layer, weight, table, made.axes["tokens"].ids)
        torch.testing.assert_close(layer.copying, expected, atol=1e-4, rtol=1e-4)


def test_of_an_encoder_that_writes_no_tokens_it_is_not_known(tmp_path: Path) -> None:
    made = trace(served(checkpoints.bert(tmp_path / "model"), "feature-extraction"), "The girl is reading.")
    assert all(layer.copying is None for layer in made.layers["encoder"])
    assert HEADS["copying"].statistic == "copying"
