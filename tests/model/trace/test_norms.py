"""Norms of projected values: by hand, in strips, and of the native network's own layers."""

import pytest
import torch

from heedmap.model.attention.multihead import MultiHeadAttention
from heedmap.model.attention.products import gram_of
from heedmap.model.trace import norms
from heedmap.model.trace.norms import output_norms
from heedmap.model.trace.recorder import Recorder


def test_two_heads_by_hand() -> None:
    """A weight (M=1, N=2): the first head's value is tripled, the second's halved."""
    gram = gram_of(torch.tensor([[3.0, 0.5]]), 2)
    assert gram.tolist() == [[[9.0]], [[0.25]]]
    assert output_norms(torch.tensor([[[2.0], [-4.0]]]), gram).tolist() == [[6.0, 12.0], [1.0, 2.0]]


def test_strips_make_one_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    v, gram = torch.randn(2, 9, 4), gram_of(torch.randn(8, 16), 4)
    whole = output_norms(v, gram)
    monkeypatch.setattr(norms, "CELLS", 40)
    torch.testing.assert_close(output_norms(v, gram), whole)


def test_a_native_layer_hands_over_its_projection_as_it_is_now() -> None:
    torch.manual_seed(1)
    layer = MultiHeadAttention(8, 4, 2).eval()

    def recorded() -> torch.Tensor:
        recorder, hidden = Recorder(), torch.randn(2, 5, 8)
        with torch.inference_mode():
            layer(hidden, *layer.keys_values(hidden), None, recorder)
        kept = recorder.maps(0, {"encoder": (5, 5)})["encoder"][0]
        assert kept.output_norm is not None
        for head in range(4):
            part = layer.output.weight[:, 2 * head : 2 * head + 2]
            lengths = (kept.v[head // 2] @ part.T).norm(dim=-1)
            torch.testing.assert_close(kept.output_norm[head], lengths, atol=1e-5, rtol=1e-4)
        return kept.output_norm

    recorded()
    assert layer.gram() is layer.gram()
    with torch.no_grad():
        layer.output.weight.mul_(2)  # as an optimiser does: the next trace has the new weights
    recorded()
