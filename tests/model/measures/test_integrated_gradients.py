"""Integrated gradients against Captum's, autograd through explicit embeddings, and what the objective gains."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from captum.attr import IntegratedGradients as Captum
from torch import Tensor

from heedmap.model.contract import Objective, Request
from heedmap.model.errors import ParameterError
from heedmap.model.load import load
from heedmap.model.measures import integrated_gradients
from heedmap.model.measures.registry import TOKENS
from heedmap.model.trace.embeddings import AlongEmbeddings, InputTokens, along
from tests.model.hub import checkpoints
from tests.model.hub.serving import served

TEXT, TARGET = "Wo ist der Bahnhof?", "Where is the station?"
POINTS = integrated_gradients.POINTS
IG = TOKENS["integrated-gradients"]
STEPS = 200  # of the plain midpoint sum that it is held against


def tokens(model: Any, request: Request) -> InputTokens:
    [prediction] = model.predict([Request(request.inputs, request.target)])
    axis = next(iter(prediction.axes.values()))
    written = len(prediction.tokens) if "tokens" in prediction.axes else 0
    return InputTokens(axis.ids, [at for at in range(len(axis) - written) if not axis.special[at]])


def midpoint(value: Any, embeddings: Tensor, positions: list[int]) -> np.ndarray:
    """The integral as a plain sum, with explicit embeddings (N M)."""
    total = torch.zeros(len(positions), dtype=torch.float64)
    for step in range(STEPS):
        scaled = embeddings.clone()
        scaled[positions] *= (step + 0.5) / STEPS
        scaled.requires_grad_()
        [gradient] = torch.autograd.grad(value(scaled), scaled)
        total += (gradient * embeddings).sum(dim=-1)[positions].double() / STEPS
    return total.numpy()


def by_captum(value: Callable[[Tensor], Tensor], embeddings: Tensor, positions: list[int], points: int) -> np.ndarray:
    """Captum's, by the same rule, from embeddings (N M) of which those at the positions begin as zeros."""
    nothing = embeddings.clone()
    nothing[positions] = 0
    method = Captum(lambda batch: torch.stack([value(each) for each in batch]))
    found = method.attribute(embeddings[None], nothing[None], n_steps=points, method="gausslegendre")
    whole = found[0].sum(dim=-1).numpy()
    assert not np.delete(whole, positions).any(), "what stays as it is has no part in it"
    return whole[positions]


class Polynomial:
    """F = x^2 y of two tokens whose embeddings have one number each, x = 2 and y = 3."""

    def along_embeddings(self, request: Request, tokens: InputTokens, scales: list[float], *_: Any) -> AlongEmbeddings:
        points = []
        for scale in scales:
            factors = torch.full((2,), scale, dtype=torch.float64, requires_grad=True)
            x, y = factors * torch.tensor([2.0, 3.0])
            value = x**2 * y
            points.append((value, torch.autograd.grad(value, factors)[0].numpy()))
        return along(points)


def test_a_polynomial_by_hand() -> None:
    """x dF/dx at (t x, t y) is 2 t^2 x^2 y, whose integral is two thirds of F = 12; y dF/dy has the other third."""
    request = Request("a b", objective=Objective(tokens="all"))
    np.testing.assert_allclose(IG.scores(Polynomial(), request, InputTokens([1, 2], [0, 1])), [8, 4], rtol=1e-12)


def test_of_a_bert_it_is_the_integral_through_explicit_embeddings(tmp_path: Path) -> None:
    model = served(checkpoints.bert(tmp_path / "model", "sequence-classification"), "text-classification")
    network = model.loaded.model
    request = Request("The girl is reading a book.", objective=Objective(label="good"))
    chosen = tokens(model, request)
    got = IG.scores(model, request, chosen)
    embeddings = network.get_input_embeddings().weight[torch.tensor(chosen.ids)].detach()

    def value(scaled: Tensor) -> Tensor:
        return network(inputs_embeds=scaled[None]).logits[0, 2]

    places = list(chosen.positions)
    np.testing.assert_allclose(got, by_captum(value, embeddings, places, POINTS), rtol=1e-4, atol=1e-6)
    assert np.abs(got).max() > 0.01, "sizes at which the tolerances say something"
    np.testing.assert_allclose(got, midpoint(value, embeddings, places), rtol=1e-3, atol=1e-5)
    nothing = embeddings.clone()
    nothing[places] = 0
    gain = float(value(embeddings) - value(nothing))
    assert got.sum() == pytest.approx(gain, rel=1e-3)


def test_of_our_translator_too(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Random weights are rough near zero, where norms divide by nearly nothing: more points on both sides."""
    monkeypatch.setattr(integrated_gradients, "POINTS", 60)
    model: Any = load(tiny)
    request = Request(TEXT, TARGET, objective=Objective(tokens="all"))
    chosen = tokens(model, request)
    got = IG.scores(model, request, chosen)
    network, target = model.network, model.tokenizer.encode(TARGET).ids
    embeddings = network.embedding.weight[torch.tensor(chosen.ids)].detach()
    plain = network.embed

    def value(scaled: Tensor) -> Tensor:
        def embed(ids: Tensor, start: int = 0, **more: Any) -> Tensor:
            if ids[0].tolist() != list(chosen.ids):
                return plain(ids, start, **more)
            return scaled[None] * network.config.width**0.5 + network.positions[: len(scaled)]

        network.embed = embed
        try:
            source = torch.tensor([chosen.ids])
            logits = network(source, torch.tensor([len(chosen.ids)]), torch.tensor([[2, *target[:-1]]]))[0]
        finally:
            network.embed = plain
        return logits.log_softmax(-1).gather(1, torch.tensor(target)[:, None]).sum()

    places = list(chosen.positions)
    np.testing.assert_allclose(got, by_captum(value, embeddings, places, 60), rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(got, midpoint(value, embeddings, places), rtol=2e-2, atol=5e-3)


def test_of_a_decoder_the_output_stays_as_it_is(tmp_path: Path) -> None:
    model = served(checkpoints.gpt2(tmp_path / "model"), "text-generation")
    request = Request("The girl is reading", " a book", objective=Objective(tokens="all"))
    chosen = tokens(model, request)
    assert 0 < len(chosen.positions) < len(chosen.ids)
    passes = model.along_embeddings(request, chosen, [0.5, 1.0])
    [trace] = model.trace([request])
    assert passes.values[1] == pytest.approx(trace.objective["value"], abs=1e-3)  # type: ignore[union-attr, index]
    assert passes.slopes.shape == (2, len(chosen.positions))
    assert passes.values[0] != pytest.approx(passes.values[1], abs=1e-3)


def test_what_is_not_defined(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(integrated_gradients, "POINTS", 2)
    model: Any = load(tiny)
    request = Request(TEXT, TARGET, objective=Objective(tokens="all"))
    with pytest.raises(ParameterError, match="no objective"):
        IG.scores(model, Request(TEXT, TARGET), tokens(model, request))
    with pytest.raises(ParameterError, match="closed"):
        IG.scores(object(), request, tokens(model, request))
    with pytest.raises(ParameterError, match="table of embeddings"):
        IG.scores(model, request, InputTokens([1, 2, 3], [0]))
