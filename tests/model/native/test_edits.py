"""Edited passes of native models: maps, outputs and decoding, against edited attention as its definition says it."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from heedmap.model.attention import multihead
from heedmap.model.attention.operators import spread
from heedmap.model.contract import Objective, Parameters, Request, check_edits
from heedmap.model.errors import InputError, ParameterError, RangeError
from heedmap.model.load import load
from heedmap.model.trace.identity import content_id
from heedmap.model.trace.trace import Trace
from tests.model import edited

WEIGHTS = Path(__file__).parents[3] / "model" / "weights"
SENTENCE, TARGET = "Wo ist der Bahnhof?", "The station is there."
Edits = list[dict[str, Any]]

SILENT: Edits = [{"kind": "silence", "site": "cross", "layer": -1, "head": 1}]
UNIFORM: Edits = [{"kind": "silence", "site": "encoder", "layer": 0, "head": 2, "how": "uniform"}]
ALL_SILENT: Edits = [{"kind": "silence", "site": "decoder", "layer": 0, "head": "all"}]
TEMPERED: Edits = [
    {"kind": "temper", "site": "decoder", "layer": "all", "head": 0, "temperature": 2.5},
    {"kind": "temper", "site": "cross", "layer": 0, "head": -1, "temperature": 0.3},
]
CUT: Edits = [{"kind": "cut", "site": "cross", "query": 3, "key": 2}]
CUTS: Edits = [
    {"kind": "cut", "site": "encoder", "layer": 1, "head": 0, "query": [1, 4], "key": [0, 3]},
    {"kind": "cut", "site": "encoder", "layer": 1, "query": "all", "key": 4, "mass": "drop"},
    {"kind": "cut", "site": "decoder", "layer": 0, "head": 1, "query": [2, None], "key": [0, 2]},
    {"kind": "cut", "site": "decoder", "layer": 0, "head": 3, "query": 4, "key": "all", "mass": "drop"},
    {"kind": "temper", "site": "decoder", "layer": 0, "head": 1, "temperature": 0.5},
]
KINDS = {
    "silent": SILENT,
    "uniform": UNIFORM,
    "all-silent": ALL_SILENT,
    "tempered": TEMPERED,
    "cut": CUT,
    "cuts": CUTS,
    "many": [*SILENT, *UNIFORM, *TEMPERED, *CUT, *CUTS],
}
every_kind = pytest.mark.parametrize("edits", KINDS.values(), ids=KINDS.keys())


@pytest.fixture(scope="module")
def model(tiny: Path) -> Any:
    return load(tiny)


def request(edits: Edits, target: str | None = TARGET, donors: Any = None, **more: Any) -> Request:
    parameters = Parameters(**{"max_new_tokens": 9, **more})
    return Request(SENTENCE, target, parameters, edits=check_edits(edits), donors=donors or {})


def traced(model: Any, edits: Edits, target: str | None = TARGET, donors: Any = None) -> Trace:
    [trace] = model.trace([request(edits, target, donors)])
    if isinstance(trace, Exception):
        raise trace
    assert isinstance(trace, Trace)
    return trace


Weights = dict[tuple[str, int], Tensor]


def reference(
    model: Any, trace: Trace, edits: Edits, monkeypatch: pytest.MonkeyPatch, given: dict[int, Any] | None = None
) -> tuple[Tensor, Weights]:
    """Log-probabilities of the trace's tokens, and the weights of every layer, by the definition."""
    config = model.network.config
    counts = {"encoder": config.encoder_layers, "decoder": config.decoder_layers, "cross": config.decoder_layers}
    order = [("encoder", at) for at in range(config.encoder_layers)]
    for at in range(config.decoder_layers):
        order += [("decoder", at), ("cross", at)]
    calls, weights = iter(order), Weights()

    def forward(q: Tensor, k: Tensor, v: Tensor, mask: Any, *_: Any) -> Tensor:
        site, layer = next(calls)
        k, v = spread(k, q.shape[1]), spread(v, q.shape[1])
        scores = (q @ k.mT)[0] / math.sqrt(q.shape[-1])
        shape = scores.shape[1:]
        visible = torch.ones(shape, dtype=torch.bool) if mask is None else mask.dense(*shape)[0]
        mine = [(at, edit) for at, edit in enumerate(edits) if edit["site"] == site]
        tensors = {
            place: (given or {})[at].get((site, layer)) for place, (at, _) in enumerate(mine) if at in (given or {})
        }
        weights[site, layer], _, mixed = edited.attention(
            scores, v[0], visible, [edit for _, edit in mine], layer, counts[site], given=tensors
        )
        return mixed[None].to(q.dtype)

    source, prefix = (torch.tensor([trace.axes[name].ids]) for name in ("source", "prefix"))
    with monkeypatch.context() as patched, torch.no_grad():
        patched.setattr(multihead, "forward_only", forward)
        logits = model.network(source, torch.tensor([source.shape[1]]), prefix)[0].log_softmax(dim=-1)
    return logits.gather(1, torch.tensor(trace.axes["target"].ids)[:, None])[:, 0], weights


def agree(trace: Trace, expected: tuple[Tensor, Weights], tolerance: float = 1e-5) -> None:
    score, weights = expected
    assert trace.certificate.warning is None
    assert trace.prediction.score == pytest.approx(float(score.sum()), abs=10 * tolerance)
    for (site, layer), right in weights.items():
        ours = trace.layers[site][layer]
        assert (ours.dense() - right).abs().max() <= tolerance, (site, layer)
        for head in range(ours.heads):
            assert torch.equal(ours.head(head).dense()[0], ours.dense()[head])
        assert torch.equal(ours.window(slice(1, 3), slice(2, 4)), ours.dense()[:, 1:3, 2:4])


@every_kind
def test_an_edited_pass_is_the_definitions(model: Any, edits: Edits, monkeypatch: pytest.MonkeyPatch) -> None:
    trace = traced(model, edits)
    agree(trace, reference(model, trace, edits, monkeypatch))
    plain = traced(model, [])
    assert abs((plain.prediction.score or 0) - (trace.prediction.score or 0)) > 1e-4
    assert trace.to_json()["edits"] == [edit.to_json() for edit in check_edits(edits)]
    assert "edits" not in plain.to_json()


@every_kind
def test_an_edited_trace_file_gives_the_same_maps(model: Any, edits: Edits, tmp_path: Path) -> None:
    trace = traced(model, edits)
    trace.save(tmp_path / "edited.safetensors")
    again = Trace.load(tmp_path / "edited.safetensors")
    assert again.to_json() == trace.to_json()
    for site, layers in trace.layers.items():
        for ours, theirs in zip(layers, again.layers[site], strict=True):
            assert torch.equal(ours.dense(), theirs.dense())
            assert torch.equal(ours.head(-1).dense(), theirs.head(-1).dense())


def test_a_head_silenced_by_its_mean_says_the_mean_of_the_corpus(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = ["Ich habe heute keine Zeit.", "Das kostet 12 Euro."]
    edits: Edits = [{"kind": "silence", "site": "cross", "layer": 0, "head": 2, "how": "mean", "corpus": corpus}]
    trace = traced(model, edits)
    outputs = []
    for passes in model.trace([Request(text) for text in corpus]):
        layer = passes.layers["cross"][0]
        outputs.append(layer.dense() @ spread(layer.v, layer.heads))
    means = torch.cat(outputs, dim=1).mean(dim=1)
    agree(trace, reference(model, trace, edits, monkeypatch, {0: {("cross", 0): means}}))
    with pytest.raises(InputError) as caught:
        traced(model, [{**edits[0], "corpus": ["Ja.", " "]}])
    assert caught.value.field == "edits.0.corpus.1"


@pytest.mark.parametrize("what", ["output", "weights"])
def test_a_head_does_what_it_did_in_another_trace(model: Any, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    donor = traced(model, [{"kind": "temper", "site": "cross", "layer": 1, "head": "all", "temperature": 0.1}])
    edits: Edits = [{"kind": "patch", "site": "cross", "layer": 1, "head": 3, "trace": "t", "what": what}]
    layer = donor.layers["cross"][1]
    values = layer.dense() if what == "weights" else layer.dense() @ spread(layer.v, layer.heads)
    for part in ("all", [1, 4], 2):
        some: Edits = [{**edits[0], "query": part}]
        trace = traced(model, some, donors={"t": donor})
        agree(trace, reference(model, trace, some, monkeypatch, {0: {("cross", 1): values}}))
    whole = traced(model, edits, donors={"t": donor})
    same = traced(model, [{**edits[0]}], donors={"t": traced(model, [])})
    assert same.prediction.score == pytest.approx(traced(model, []).prediction.score, abs=1e-5)
    assert whole.prediction.score != pytest.approx(same.prediction.score, abs=1e-5)


def test_a_token_is_replaced_by_another(model: Any) -> None:
    ids = model.tokenizer.encode(SENTENCE).ids
    other = model.tokenizer.encode("Das").ids[0]
    [trace] = model.trace([request([{"kind": "replace", "token": 1, "by": other}])])
    assert isinstance(trace, Trace)
    axis = trace.axes["source"]
    assert axis.ids == [ids[0], other, *ids[2:]]
    assert axis.labels[1] == model.tokenizer.label(other)
    with torch.no_grad():
        source, prefix = (torch.tensor([trace.axes[name].ids]) for name in ("source", "prefix"))
        logits = model.network(source, torch.tensor([len(ids)]), prefix)[0].log_softmax(dim=-1)
    right = logits.gather(1, torch.tensor(trace.axes["target"].ids)[:, None]).sum()
    assert trace.prediction.score == pytest.approx(float(right), abs=1e-4)
    for token, by, field in ((99, other, "token"), (1, 10**6, "by")):
        [error] = model.predict([request([{"kind": "replace", "token": token, "by": by}])])
        assert isinstance(error, InputError)
        assert error.field == f"edits.0.{field}"


@pytest.mark.parametrize(
    ("edit", "field", "says"),
    [
        ({"kind": "silence", "site": "text", "layer": 0, "head": 0}, "site", "encoder, decoder, cross"),
        ({"kind": "silence", "site": "cross", "layer": 2, "head": 0}, "layer", "layers 0 to 1"),
        ({"kind": "silence", "site": "cross", "layer": 0, "head": -5}, "head", "heads 0 to 3"),
        ({"kind": "cut", "site": "cross", "query": 99, "key": 0}, "query", "query 99 does not exist"),
        ({"kind": "cut", "site": "cross", "query": 0, "key": [3, 99]}, "key", "key 98 does not exist"),
        ({"kind": "patch", "site": "cross", "layer": 0, "head": 0, "trace": "x"}, "trace", "no trace 'x'"),
    ],
)
def test_an_edit_of_what_is_not_there_is_refused(model: Any, edit: dict[str, Any], field: str, says: str) -> None:
    with pytest.raises(InputError, match=says) as caught:
        traced(model, [*SILENT, edit])
    assert caught.value.field == f"edits.1.{field}"


def test_a_cut_that_leaves_nothing_to_see_is_refused_and_its_mass_can_be_dropped(model: Any) -> None:
    edit = {"kind": "cut", "site": "decoder", "layer": 1, "head": 2, "query": "all", "key": 0}
    with pytest.raises(ParameterError) as caught:
        traced(model, [*SILENT, edit])
    assert caught.value.field == "edits.1"
    assert str(caught.value) == (
        "query 0 of head 2 in layer 1 of decoder is left nothing to see: keep a key, leave the query out, or take "
        '"mass": "drop"'
    )
    for kept in ({**edit, "mass": "drop"}, {**edit, "query": [1, None]}):
        assert traced(model, [kept]).certificate.warning is None


def test_a_pass_of_more_queries_than_the_patch_has_names_them(model: Any) -> None:
    donor = traced(model, [], "The.")
    edit = {"kind": "patch", "site": "cross", "layer": 0, "head": 0, "trace": "t"}
    with pytest.raises(RangeError, match="name queries that both have"):
        traced(model, [edit], donors={"t": donor})
    assert traced(model, [{**edit, "query": [0, 2]}], donors={"t": donor}).certificate.warning is None


def test_neighbours_of_an_edited_request_are_not_edited(model: Any) -> None:
    plain = Request(SENTENCE, TARGET)
    bad = request([{"kind": "silence", "site": "cross", "layer": 9, "head": 0}])
    first, second, third, fourth = model.trace([plain, request(SILENT), bad, plain])
    assert isinstance(third, RangeError)
    assert first.edits == fourth.edits == ()
    assert first.prediction.score == fourth.prediction.score != second.prediction.score
    ids = {content_id("r", one) for one in (plain, request([]), request(SILENT), request(UNIFORM))}
    assert len(ids) == 4 - (plain.parameters == request([]).parameters)


def gradient(trace: Trace, site: str, layer: int) -> tuple[Tensor, Tensor, Tensor]:
    one = trace.layers[site][layer]
    assert one.d_output is not None
    assert one.delta is not None
    return one.dense(), one.d_output @ spread(one.v, one.heads).mT, one.delta


def test_what_gradients_estimate_is_what_small_edits_do(model: Any) -> None:
    """Sign and first order: a head is tempered a little, a weak edge is cut, the mass of one is dropped."""
    model.network.double()
    try:
        wanted = Objective(tokens="all")
        [trace] = model.trace([Request(SENTENCE, TARGET, objective=wanted)])
        assert isinstance(trace, Trace)
        value = trace.objective["value"]  # type: ignore[index]

        def moved(edit: dict[str, Any]) -> float:
            [other] = model.trace([Request(SENTENCE, TARGET, objective=wanted, edits=check_edits([edit]))])
            assert isinstance(other, Trace), repr(other)
            assert other.objective is not None
            return float(other.objective["value"] - value)

        for site, layer in (("cross", 0), ("decoder", 1), ("encoder", 0)):
            weights, d_weights, delta = gradient(trace, site, layer)
            one = trace.layers[site][layer]
            scores = one.score(one.q, spread(one.k, one.heads)).masked_fill(~one.visible(), 0)
            slope = -(weights * (d_weights - delta[..., None]) * scores).sum(dim=(1, 2))
            place = {"site": site, "layer": layer, "head": 1}
            step = 1e-4
            ends = [moved({"kind": "temper", **place, "temperature": 1 + sign * step}) for sign in (1, -1)]
            assert (ends[0] - ends[1]) / (2 * step) == pytest.approx(float(slope[1]), rel=1e-3, abs=1e-7)
            shown = weights[1] * one.visible()
            query, key = divmod(int(shown.masked_fill(shown == 0, 2).argmin()), shown.shape[1])
            edge = {"kind": "cut", **place, "query": query, "key": key}
            weight, effect = float(shown[query, key]), float(delta[1, query] - d_weights[1, query, key])
            assert moved(edge) == pytest.approx(weight / (1 - weight) * effect, rel=0.1, abs=1e-6)
            dropped = -weight * float(d_weights[1, query, key])
            assert moved({**edge, "mass": "drop"}) == pytest.approx(dropped, rel=0.1, abs=1e-6)
    finally:
        model.network.float()


def test_gradients_of_an_edited_pass_are_of_that_pass(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    edits = KINDS["many"]
    requested = Request(SENTENCE, TARGET, objective=Objective(tokens="all"), edits=check_edits(edits))
    [trace] = model.trace([requested])
    assert isinstance(trace, Trace)
    score, _ = reference(model, trace, edits, monkeypatch)
    assert trace.objective is not None
    assert trace.objective["value"] == pytest.approx(float(score.sum()), abs=1e-4)
    layer = trace.layers["cross"][1]
    assert layer.d_output is not None
    assert layer.delta is not None
    assert bool((layer.delta[1] == 0).all())  # silent already
    assert float(layer.delta[0].abs().max()) > 0
