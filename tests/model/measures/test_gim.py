"""GIM against autograd through explicit weights, with norms and a softmax written out here."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers as hf
from torch import Tensor, nn
from transformers import AttentionInterface
from transformers.masking_utils import AttentionMaskInterface, eager_mask

from heedmap.model.attention import kernels, multihead
from heedmap.model.attention.interactions import interactions
from heedmap.model.attention.masks import Causal, SlidingWindow
from heedmap.model.attention.scores import ScaledDot, SoftCapped
from heedmap.model.contract import Objective, Request
from heedmap.model.errors import ParameterError
from heedmap.model.hub.attention.interface import attention
from heedmap.model.load import load
from heedmap.model.measures.registry import TOKENS
from heedmap.model.trace.interactions import gim_passes, held
from tests.model.hub import checkpoints
from tests.model.hub.serving import served
from tests.model.measures.test_integrated_gradients import TARGET, TEXT, tokens

GIM = TOKENS["gim"]
CONTINUED = Request("The girl is reading", " a book", objective=Objective(tokens="all"))


class Softer(torch.autograd.Function):
    """softmax(s), differentiated as softmax(s / 2) of its argument."""

    @staticmethod
    def forward(ctx: Any, scores: Tensor) -> Tensor:
        ctx.save_for_backward(scores)
        return scores.softmax(dim=-1)

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> Tensor:
        weights = (ctx.saved_tensors[0] / 2).softmax(dim=-1)
        return weights * (slope - (weights * slope).sum(dim=-1, keepdim=True))


class Share(torch.autograd.Function):
    """The same numbers, and a share of their gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, share: float) -> Tensor:
        ctx.share = share
        return x.clone()

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor, None]:
        return slope * ctx.share, None


def explicit(q: Tensor, k: Tensor, v: Tensor, added: Tensor | float, scale: float) -> Tensor:
    """GIM's attention with its map."""
    k, v = (x.repeat_interleave(q.shape[1] // x.shape[1], dim=1) for x in (k, v))
    scores = Share.apply(q, 0.25) @ Share.apply(k, 0.25).mT * scale + added
    mixed: Tensor = Softer.apply(scores) @ Share.apply(v, 0.5)
    return mixed


def for_transformers(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **more: Any
) -> tuple[Tensor, None]:
    added = 0.0 if attention_mask is None else attention_mask
    return explicit(query, key, value, added, more["scaling"]).transpose(1, 2).contiguous(), None


class Held(nn.Module):
    """A norm whose divisor has no gradient."""

    def __init__(self, norm: Any) -> None:
        super().__init__()
        self.norm, self.centred = norm, isinstance(norm, nn.LayerNorm)

    def forward(self, x: Tensor) -> Tensor:
        x = x - x.mean(-1, keepdim=True) if self.centred else x
        size = (x.square().mean(-1, keepdim=True) + getattr(self.norm, "eps", 1e-6)).sqrt().detach()
        scaled = x / size
        if self.norm.weight is not None:
            scaled = scaled * self.norm.weight
        return scaled + self.norm.bias if getattr(self.norm, "bias", None) is not None else scaled


def hold(network: nn.Module) -> None:
    """Put `Held` in the place of every norm."""
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if type(child).__name__.endswith("Norm") and not isinstance(parent, Held):
                setattr(parent, name, Held(child))


@pytest.mark.parametrize(("make", "settings"), [(checkpoints.gpt2, {}), (checkpoints.llama, {"rms_norm_eps": 1e-6})])
def test_of_decoders_it_is_the_gradient_through_explicit_maps(
    tmp_path: Path, make: Callable[..., Path], settings: dict[str, Any]
) -> None:
    """GPT-2 has layer norms, Llama root mean squares and grouped heads."""
    model = served(make(tmp_path / "model", **settings), "text-generation")
    chosen = tokens(model, CONTINUED)
    got = GIM.scores(model, CONTINUED, chosen)

    AttentionInterface.register("explicit", for_transformers)
    AttentionMaskInterface.register("explicit", eager_mask)
    network = hf.AutoModelForCausalLM.from_pretrained(tmp_path / "model", attn_implementation="explicit").eval()
    hold(network)
    ids = torch.tensor([list(chosen.ids)])
    read = network.get_input_embeddings()(ids).detach().requires_grad_()
    written = ids.shape[1] - (max(chosen.positions) + 1)
    logits = network(inputs_embeds=read).logits[0, -written - 1 : -1].log_softmax(-1)
    [gradient] = torch.autograd.grad(logits.gather(1, ids[0, -written:, None]).sum(), read)
    expected = (gradient * read).sum(-1)[0, list(chosen.positions)].detach().numpy()
    np.testing.assert_allclose(got, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())
    plain = model.along_embeddings(CONTINUED, chosen, [1.0]).slopes[0]
    assert np.abs(got - plain).max() > 0.05 * np.abs(plain).max(), "another gradient than the usual one"


def test_of_our_translator_too(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    request = Request(TEXT, TARGET, objective=Objective(tokens="all"))
    model: Any = load(tiny)
    chosen = tokens(model, request)
    got = GIM.scores(model, request, chosen)

    def forward_only(q: Tensor, k: Tensor, v: Tensor, mask: Any = None, *_: Any) -> Tensor:
        added: Tensor | float = 0.0
        if mask is not None:
            added = torch.zeros(()).masked_fill(~mask.dense(q.shape[2], k.shape[2], q.device), -torch.inf)
            added = added if added.dim() == 2 else added[:, None]
        return explicit(q, k, v, added, q.shape[-1] ** -0.5)

    other: Any = load(tiny)
    hold(other.network)
    monkeypatch.setattr(multihead, "forward_only", forward_only)
    expected = other.along_embeddings(request, chosen, [1.0]).slopes[0]
    np.testing.assert_allclose(got, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())


def test_the_output_is_what_it_was() -> None:
    torch.manual_seed(0)
    q, k, v = (torch.randn(1, heads, 9, 4, requires_grad=True) for heads in (4, 2, 2))
    for mask, score in ((Causal(), None), (SlidingWindow(3) & Causal(), SoftCapped(0.5, 2.0)), (None, None)):
        plain = kernels.attend(q, k, v, mask, None, score)
        with interactions():
            torch.testing.assert_close(kernels.attend(q, k, v, mask, None, score).output, plain.output)


def test_one_query_and_two_keys_by_hand() -> None:
    """q = 1, k = (0, ln 9), v = (1, 3): the weights are (1/10, 9/10), and at twice the temperature (1/4, 3/4).

    The mean of v at that temperature is 5/2, so that the scores' gradients are 1/4 (1 - 5/2) and 3/4 (3 - 5/2), of
    which q and k get a quarter; v gets half of the weights.
    """
    q, k, v = torch.ones(1, 1, 1, 1), torch.tensor([0, math.log(9)]).view(1, 1, 2, 1), torch.tensor([1.0, 3.0])
    inputs = [x.requires_grad_() for x in (q, k, v.view(1, 1, 2, 1))]
    with interactions():
        output = kernels.attend(*inputs, None, None, ScaledDot(1.0)).output
        slopes = torch.autograd.grad(output.sum(), inputs)
    assert output.item() == pytest.approx(2.8)
    assert float(slopes[0]) == pytest.approx(0.25 * 0.375 * math.log(9), rel=1e-5)
    assert slopes[1].flatten().tolist() == pytest.approx([-0.25 * 0.375, 0.25 * 0.375], rel=1e-5)
    assert slopes[2].flatten().tolist() == pytest.approx([0.05, 0.45], rel=1e-5)


class BatchLikeNorm(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x / x.abs().amax()


def test_a_norm_of_no_known_kind_is_told() -> None:
    norm, x = BatchLikeNorm(), torch.randn(2, 3, 4)
    with pytest.raises(ParameterError, match="BatchLikeNorm is neither"):
        held(norm, x, norm(x))
    with gim_passes(nn.Sequential(norm)), pytest.raises(ParameterError, match="BatchLikeNorm is neither"):
        nn.Sequential(norm)(x)
    assert not norm._forward_hooks, "nothing stays"


def test_where_it_is_not_defined(tiny_gru: Path) -> None:
    request = Request(TEXT, TARGET, objective=Objective(tokens="all"))
    gru: Any = load(tiny_gru)
    with pytest.raises(ParameterError, match="gim is not defined here: the scores are no products"):
        GIM.scores(gru, request, tokens(gru, request))
    with pytest.raises(ParameterError, match="no objective"):
        GIM.scores(gru, Request(TEXT, TARGET), tokens(gru, request))
    q = torch.randn(1, 2, 3, 4, requires_grad=True)
    with interactions(), pytest.raises(ParameterError, match="sinks take part"):
        attention(nn.Module(), q, q, q, None, s_aux=torch.zeros(2))
