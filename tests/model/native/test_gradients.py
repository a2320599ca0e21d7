"""Gradients of native models' traces, against autograd through explicit attention weights."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from heedmap.model.attention import multihead
from heedmap.model.attention.kernels import Attended
from heedmap.model.attention.maps import AttentionMap
from heedmap.model.attention.operators import spread
from heedmap.model.contract import Objective, Parameters, Prediction, Request
from heedmap.model.errors import ParameterError, RangeError, TraceTooLarge
from heedmap.model.load import load
from heedmap.model.native import recurrent
from heedmap.model.trace.identity import content_id
from heedmap.model.trace.trace import Trace

WEIGHTS = Path(__file__).parents[3] / "model" / "weights"
SENTENCE = "Wo ist der Bahnhof?"


def explicit(kept: list[Tensor]) -> Callable[..., Attended]:
    """Attention by its formula, whose weights are kept with their gradients."""

    def attend(q: Tensor, k: Tensor, v: Tensor, mask: Any = None, bias: Any = None, score: Any = None) -> Attended:
        k, v = spread(k, q.shape[1]), spread(v, q.shape[1])
        scores = q @ k.mT / math.sqrt(q.shape[-1]) if score is None else score(q, k)
        if mask is not None:
            scores = scores.masked_fill(~mask.dense(q.shape[2], k.shape[2])[:, None], -math.inf)
        weights = scores.softmax(dim=-1)
        if not weights.requires_grad:
            weights.requires_grad_()
        weights.retain_grad()
        kept.append(weights)
        return Attended(weights @ v, scores.logsumexp(dim=-1), "explicit")

    return attend


def traced(model: Any, text: str, target: str | None = None, **objective: Any) -> Trace:
    parameters = Parameters(max_new_tokens=6)
    [trace] = model.trace([Request(text, target, parameters, Objective(**objective) if objective else None)])
    if isinstance(trace, Exception):
        raise trace
    assert isinstance(trace, Trace)
    return trace


def of_weights(layer: AttentionMap) -> Tensor:
    """dL/dA_ij = <dO_i, v_j>."""
    assert layer.d_output is not None
    gradient: Tensor = layer.d_output @ spread(layer.v, layer.heads).mT
    return gradient


def check(trace: Trace, kept: list[tuple[str, int, Tensor]], tolerance: float = 1e-5) -> None:
    """Every layer's gradient of the weights, and of the scores, is what autograd found where the mask shows."""
    assert len(kept) == sum(map(len, trace.layers.values()))
    for site, index, weights in kept:
        layer = trace.layers[site][index]
        assert weights.grad is not None
        assert layer.delta is not None
        assert layer.d_output is not None
        visible = layer.visible()
        right = (weights.grad[0] * visible).double()
        scale = float(right.abs().max())
        assert scale > 0
        assert (of_weights(layer).double() * visible - right).abs().max() <= tolerance * scale
        own = weights.detach()[0].double()
        scores = own * (right - (own * right).sum(dim=-1, keepdim=True))
        ours = layer.dense().double() * (of_weights(layer).double() - layer.delta.double()[..., None])
        assert (ours - scores).abs().max() <= max(tolerance, 1e-7) * scale  # delta is in float32
        assert layer.delta.dtype == torch.float32


def placed(kept: list[Tensor], trace: Trace) -> list[tuple[str, int, Tensor]]:
    """Sites and layers of what an encoder-decoder computed in its order."""
    encoder, rest = len(trace.layers.get("encoder", ())), []
    for at in range((len(kept) - encoder) // 2):
        rest += [("decoder", at, kept[encoder + 2 * at]), ("cross", at, kept[encoder + 2 * at + 1])]
    return [*[("encoder", at, kept[at]) for at in range(encoder)], *rest]


@pytest.mark.parametrize("which", ["tiny", "de-en"])
@pytest.mark.parametrize("objective", [{"tokens": [1, -1]}, {"tokens": "all"}, {"tokens": [1], "minus": ["is"]}])
def test_a_translators_gradients_are_those_through_explicit_weights(
    which: str, objective: dict[str, Any], tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model: Any = load(tiny if which == "tiny" else WEIGHTS / "de-en")
    if which == "tiny":
        model.network.double()
    trace = traced(model, SENTENCE, "The station is there.", **objective)
    kept: list[Tensor] = []
    monkeypatch.setattr(multihead, "forward_only", lambda *inputs: explicit(kept)(*inputs[:4]).output)
    source, prefix = (torch.tensor([trace.axes[name].ids]) for name in ("source", "prefix"))
    logits = model.network(source, torch.tensor([source.shape[1]]), prefix)[0]
    ids = torch.tensor(trace.axes["target"].ids)
    parts = logits.log_softmax(dim=-1).gather(1, ids[:, None])[:, 0]
    if "minus" in objective:
        value = parts[1] - logits.log_softmax(dim=-1)[1, model.tokenizer.one("is", "")]
    else:
        value = parts.sum() if objective["tokens"] == "all" else parts[1] + parts[-1]
    value.backward()
    check(trace, placed(kept, trace), 1e-9 if which == "tiny" else 1e-5)
    assert trace.objective is not None
    assert trace.objective["value"] == pytest.approx(float(value.detach()), abs=1e-5)
    assert which == "tiny" or trace.certificate.warning is None  # in float64 the log-sum-exp, in float32, is in the way


def test_a_recurrent_translators_gradients_go_through_its_states(
    tiny_gru: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model: Any = load(tiny_gru)
    trace = traced(model, SENTENCE, "The station.", tokens=[-1])
    kept: list[Tensor] = []
    monkeypatch.setattr(recurrent, "attend", explicit(kept))
    source, prefix = (torch.tensor([trace.axes[name].ids]) for name in ("source", "prefix"))
    logits = model.network(source, torch.tensor([source.shape[1]]), prefix)[0]
    logits[-1].log_softmax(dim=-1)[trace.axes["target"].ids[-1]].backward()
    layer = trace.layers["cross"][0]
    assert all(step.grad is not None for step in kept)
    right = torch.cat([step.grad for step in kept if step.grad is not None], dim=2)[0]
    assert (of_weights(layer) - right).abs().max() <= 1e-5 * right.abs().max()
    assert right[:, 0].abs().max() > 0  # the first step's attention reaches the last token through the states alone


def test_a_language_models_gradients_are_those_through_explicit_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    model: Any = load(WEIGHTS / "shakespeare")
    trace = traced(model, "ROMEO: But soft, what light through yonder window breaks?" * 4, tokens=[0, 2])
    kept: list[Tensor] = []
    monkeypatch.setattr(multihead, "forward_only", lambda *inputs: explicit(kept)(*inputs[:4]).output)
    ids = torch.tensor([trace.axes["tokens"].ids])
    written = len(trace.prediction.tokens)
    logits = model.network(ids)[0, -written - 1 : -1]
    parts = logits.log_softmax(dim=-1).gather(1, ids[0, -written:, None])[:, 0]
    (parts[0] + parts[2]).backward()
    check(trace, [("decoder", at, weights) for at, weights in enumerate(kept)], 2e-5)


def test_the_sum_over_queries_estimates_what_tempering_a_head_does(tiny: Path) -> None:
    """dL/dT at T = 1 is -sum_ij dL/ds_ij s_ij: a small step of the temperature moves the value by that."""
    model: Any = load(tiny)
    model.network.double()
    trace = traced(model, SENTENCE, "The station is there.", tokens="all")
    layer = trace.layers["cross"][1]
    assert layer.delta is not None
    scores = layer.score(layer.q, spread(layer.k, layer.heads))
    slope = (layer.dense() * (of_weights(layer) - layer.delta[..., None]) * scores).sum(dim=(1, 2))
    step, head = 1e-4, 2
    attention = model.network.decoder[1].cross
    rows = slice(head * attention.size, (head + 1) * attention.size)
    values = []
    for sign in (1, -1):
        with torch.no_grad():
            attention.query.weight[rows] *= 1 + sign * step
            attention.query.bias[rows] *= 1 + sign * step
            values.append(traced(model, SENTENCE, "The station is there.", tokens="all").objective["value"])  # type: ignore[index]
            attention.query.weight[rows] /= 1 + sign * step
            attention.query.bias[rows] /= 1 + sign * step
    assert (values[0] - values[1]) / (2 * step) == pytest.approx(float(slope[head]), rel=1e-4)


def test_an_objective_is_a_part_of_trace_file_and_id(tiny: Path, tmp_path: Path) -> None:
    model = load(tiny)
    trace = traced(model, SENTENCE, tokens=[0])
    trace.save(tmp_path / "trace.safetensors")
    again = Trace.load(tmp_path / "trace.safetensors")
    assert again.objective == trace.objective
    assert again.to_json()["objective"]["tokens"] == [0]
    assert "objective" not in traced(model, SENTENCE).to_json()
    for ours, theirs in zip(trace.layers["cross"], again.layers["cross"], strict=True):
        assert ours.d_output is not None
        assert theirs.d_output is not None
        assert torch.equal(ours.d_output, theirs.d_output)
    plain = content_id("r", Request("a"))
    assert plain == content_id("r", Request("a", objective=None)) == "694660f8abb0f4705eadcf109513432d"
    ids = {plain, *(content_id("r", Request("a", objective=Objective(tokens=t))) for t in ((0,), (1,), "all"))}
    assert len(ids) == 4


def test_one_bad_objective_does_not_fail_its_neighbours(tiny: Path) -> None:
    model = load(tiny)
    good, plain = Request(SENTENCE, "The station", objective=Objective(tokens=(0,))), Request(SENTENCE, "The station")
    bad = Request(SENTENCE, "The station", objective=Objective(tokens=(0, 99)))
    first, second, third = model.trace([good, bad, plain])
    assert isinstance(first, Trace)
    assert isinstance(third, Trace)
    assert isinstance(second, RangeError)
    assert second.field == "objective.tokens.1"
    length = len(third.axes["target"])
    assert str(second) == f"token 99 does not exist: the output has {length}, 0 to {length - 1}"
    assert first.layers["cross"][0].d_output is not None
    assert third.layers["cross"][0].d_output is None


@pytest.mark.parametrize(
    ("objective", "field"),
    [
        ({"label": "noun"}, "objective.label"),
        ({"tokens": [0], "minus": ["two words"]}, "objective.minus.0"),
        ({"tokens": [0], "minus": [10**6]}, "objective.minus.0"),
        (
            {"tokens": "all", "minus": list(range(5, 22))},
            "objective.minus",
        ),
    ],
)
def test_what_is_no_objective_of_a_translator_is_refused(objective: dict[str, Any], field: str, tiny: Path) -> None:
    with pytest.raises(ParameterError) as caught:
        traced(load(tiny), SENTENCE, "The station", **objective)
    assert caught.value.field == field


def test_what_a_trace_with_gradients_takes_is_known_before(tiny: Path) -> None:
    model: Any = load(WEIGHTS / "shakespeare")
    text = "ROMEO: But soft" * 20
    [answer] = model.predict([Request(text, parameters=Parameters(max_new_tokens=1))])
    assert isinstance(answer, Prediction)
    layers = traced(model, text).layers["decoder"]
    model.trace_limit = sum(x.numel() * x.element_size() for m in layers for x in (m.q, m.k, m.v, m.lse))
    assert traced(model, text).objective is None
    with pytest.raises(TraceTooLarge):
        traced(model, text, tokens=[0])
