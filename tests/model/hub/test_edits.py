"""Edited passes of transformers' models, against their own code on an edited attention that is the definition's."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import AttentionInterface
from transformers.masking_utils import AttentionMaskInterface, eager_mask

from heedmap.model.attention.editor import Editor
from heedmap.model.attention.operators import spread
from heedmap.model.contract import Objective, Parameters, Prediction, Request, check_edits
from heedmap.model.errors import InputError, ParameterError, RangeError
from heedmap.model.hub.attention.editor import edited as edited_modules
from heedmap.model.hub.attention.recorder import prepare, record
from heedmap.model.hub.served import HubModel
from heedmap.model.trace.trace import Trace
from tests.model import edited
from tests.model.hub import checkpoints, media_checkpoints
from tests.model.hub.families import BY_NAME
from tests.model.hub.serving import served

TEXT = "The girl is reading a book."
EXACT = 2e-5
Edits = list[dict[str, Any]]


def edits_of(site: str) -> Edits:
    """One of each kind, for four heads and two layers."""
    return [
        {"kind": "silence", "site": site, "layer": 1, "head": 0},
        {"kind": "silence", "site": site, "layer": 0, "head": 1, "how": "uniform"},
        {"kind": "temper", "site": site, "layer": -1, "head": 2, "temperature": 1.7},
        {"kind": "temper", "site": site, "layer": 0, "head": 3, "temperature": 0.6},
        {"kind": "cut", "site": site, "layer": 0, "query": [3, 5], "key": 1},
        {"kind": "cut", "site": site, "layer": 1, "head": 3, "query": [2, None], "key": [0, 2], "mass": "drop"},
        {"kind": "cut", "site": site, "layer": 0, "head": 2, "query": 4, "key": [2, 4]},
    ]


class Reference:
    """transformers' own modules on an attention that is the definition's, and the weights that it used."""

    def __init__(self, wiring: Any, edits: Edits, layers: dict[str, int]) -> None:
        self.wiring, self.edits, self.layers = wiring, edits, layers
        self.weights: dict[tuple[str, int], Tensor] = {}
        self.asked = Counter[str]()

    def __call__(
        self, module: Any, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **rest: Any
    ) -> tuple[Tensor, None]:
        site = self.wiring.sites.of(self.wiring.names[module])
        layer = self.asked[site] % self.layers[site]
        self.asked[site] += 1
        key, value = spread(key, query.shape[1]), spread(value, query.shape[1])
        scale = rest.get("scaling")
        scores = (query @ key.mT)[0] * (query.shape[-1] ** -0.5 if scale is None else scale)
        if rest.get("softcap") is not None:
            scores = torch.tanh(scores / rest["softcap"]) * rest["softcap"]
        visible = torch.ones(scores.shape[1:], dtype=torch.bool)
        if rest.get("position_bias") is not None:
            scores = scores + rest["position_bias"][0]
        if attention_mask is not None:
            visible = (attention_mask[0, 0] > torch.finfo(attention_mask.dtype).min / 2).expand_as(visible)
            scores = scores + attention_mask[0].masked_fill(~visible, 0)
        mine = [edit for edit in self.edits if edit["site"] == site]
        sinks = rest.get("s_aux")
        self.weights[site, layer], _, mixed = edited.attention(
            scores, value[0], visible, mine, layer, self.layers[site], sinks
        )
        return mixed.to(query.dtype).transpose(0, 1)[None].contiguous(), None


@pytest.mark.parametrize(
    "name", ["llama", "gpt2", "gemma2", "gpt-oss", "bert", "t5", "bart", "marian", "whisper", "mistral", "vit"]
)
def test_an_edited_family_is_its_own_code_on_edited_attention(name: str) -> None:
    family = BY_NAME[name]
    inputs = {n: x for n, x in family.split(family.inputs(), 0).items() if not n.endswith("attention_mask")}
    edits = [edit for site in family.sites for edit in edits_of(site)]
    network = family.build("eager")
    wiring = prepare(network)
    heads = {site: (layers, 4) for site, layers in family.sites.items()}
    sites = [{"name": site, "layers": layers} for site, layers in family.sites.items()]
    editor = Editor(check_edits(edits), heads)
    with torch.no_grad(), edited_modules(wiring, editor, sites), record(wiring) as recorder:
        ours = network(**inputs)
    lengths = {site: (records[0].shape[0], records[0].shape[1]) for site, records in recorder.records.items()}
    maps = recorder.maps(0, lengths)
    assert recorder.certify(0, maps).warning is None
    reference = Reference(wiring, edits, family.sites)
    AttentionInterface.register("definition", reference)
    AttentionMaskInterface.register("definition", eager_mask)
    network.set_attn_implementation("definition")
    with torch.no_grad():
        theirs = network(**inputs)
    output = "logits" if "logits" in theirs else "last_hidden_state"
    scale = float(theirs[output].abs().max())
    assert (ours[output] - theirs[output]).abs().max() <= EXACT * scale
    for (site, layer), weights in reference.weights.items():
        assert (maps[site][layer].dense() - weights).abs().max() <= EXACT, (site, layer)


def request(edits: Edits, inputs: Any = TEXT, target: str | None = None, **more: Any) -> Request:
    objective = more.pop("objective", None)
    parameters = Parameters(**({"max_new_tokens": 5} | more)) if target is None else Parameters(**more)
    return Request(inputs, target, parameters, objective, check_edits(edits))


def traced(model: HubModel, edits: Edits, inputs: Any = TEXT, target: str | None = None, **more: Any) -> Trace:
    [trace] = model.trace([request(edits, inputs, target, **more)])
    if isinstance(trace, Exception):
        raise trace
    return trace


@pytest.mark.parametrize(
    ("name", "task", "site"),
    [
        ("llama", "text-generation", "decoder"),
        ("gpt2", "text-generation", "decoder"),
        ("t5", "text2text-generation", "cross"),
        ("marian", "translation", "decoder"),
    ],
)
def test_generating_under_edits_recomputes_the_whole_prefix(name: str, task: str, site: str, tmp_path: Path) -> None:
    model = served(getattr(checkpoints, name)(tmp_path), task)
    edits: Edits = [
        {"kind": "silence", "site": site, "layer": 1, "head": 0},
        {"kind": "temper", "site": site, "layer": 0, "head": 2, "temperature": 3.0},
        {"kind": "cut", "site": site, "layer": 0, "query": [1, None], "key": 0, "mass": "drop"},
    ]
    [answer], trace = model.predict([request(edits)]), traced(model, edits)
    assert isinstance(answer, Prediction), repr(answer)
    assert trace.prediction.text == answer.text
    assert trace.certificate.warning is None
    network = model.loaded.model
    axes = {axis: torch.tensor([trace.axes[axis].ids]) for axis in trace.axes}
    layers = {s["name"]: (s["layers"], s["heads"]) for s in model.sites}
    count = len(trace.prediction.tokens)
    for at in range(count - 1):  # the last may be forced, where the length ran out
        with torch.inference_mode(), edited_modules(model.wiring, Editor(check_edits(edits), layers), model.sites):
            if "prefix" in axes:
                logits = network(input_ids=axes["source"], decoder_input_ids=axes["prefix"][:, : at + 1]).logits
                right = axes["target"][0, at]
            else:
                whole = axes["tokens"]
                logits, right = network(input_ids=whole[:, : whole.shape[1] - count + at]).logits, whole[0, at - count]
        assert int(logits[0, -1].argmax()) == int(right), at
    given = traced(model, edits, TEXT, "Wo ist der Bahnhof?")
    plain = traced(model, [], TEXT, "Wo ist der Bahnhof?")
    assert given.prediction.score != pytest.approx(plain.prediction.score, abs=1e-3)
    [neighbour] = model.predict([request([], TEXT, "Wo ist der Bahnhof?")])
    assert neighbour.score == pytest.approx(plain.prediction.score, abs=1e-4)


def test_an_edited_trace_has_gradients_of_its_own_pass(tmp_path: Path) -> None:
    model = served(checkpoints.bert(tmp_path, "sequence-classification"), "text-classification")
    edits = [edit for edit in edits_of("encoder") if edit["kind"] != "cut"]
    wanted = Objective(label="fair")
    more = {"objective": wanted, "function_to_apply": "none"}
    trace = traced(model, edits, **more)
    scores = {entry["label"]: entry["score"] for entry in trace.prediction.output}
    assert trace.objective == {"label": "fair", "value": pytest.approx(scores["fair"], abs=1e-5)}
    assert trace.objective["value"] != pytest.approx(traced(model, [], **more).objective["value"], abs=1e-3)  # type: ignore[index]
    step: Edits = [{"kind": "temper", "site": "encoder", "layer": 0, "head": 2, "temperature": 1.002}]
    layer = trace.layers["encoder"][0]
    assert layer.d_output is not None
    assert layer.delta is not None
    scores_of = layer.score(layer.q, spread(layer.k, layer.heads))
    flow = layer.dense() * (layer.d_output @ spread(layer.v, layer.heads).mT - layer.delta[..., None])
    slope = -(flow * scores_of).sum(dim=(1, 2))
    moved = traced(model, [*edits, *step], **more).objective["value"] - trace.objective["value"]  # type: ignore[index]
    assert moved / 0.002 == pytest.approx(float(slope[2]), rel=0.05, abs=1e-3)


def test_patches_and_means_are_had_from_other_passes(tmp_path: Path) -> None:
    model = served(checkpoints.llama(tmp_path), "text-generation")
    donor = traced(
        model, [{"kind": "temper", "site": "decoder", "layer": 0, "head": "all", "temperature": 9.0}], TEXT, " a"
    )
    plain = traced(model, [], TEXT, " a")
    for what in ("output", "weights"):
        patch = check_edits([{"kind": "patch", "site": "decoder", "layer": 0, "head": 1, "trace": "t", "what": what}])
        one, same = (
            model.trace([Request(TEXT, " a", edits=patch, donors={"t": other})])[0] for other in (donor, plain)
        )
        assert isinstance(one, Trace), repr(one)
        assert isinstance(same, Trace)
        assert one.certificate.warning is None
        assert same.prediction.score == pytest.approx(plain.prediction.score, abs=1e-3)
        assert one.prediction.score != pytest.approx(plain.prediction.score, abs=1e-3)
        if what == "weights":
            theirs = donor.layers["decoder"][0].head(1).dense()
            assert (one.layers["decoder"][0].head(1).dense() - theirs).abs().max() < 1e-6
    mean: Edits = [
        {"kind": "silence", "site": "decoder", "layer": 1, "head": 0, "how": "mean", "corpus": ["Hello", TEXT]}
    ]
    assert traced(model, mean, TEXT, " a").prediction.score != pytest.approx(plain.prediction.score, abs=1e-4)
    with pytest.raises(InputError) as caught:
        traced(model, [{**mean[0], "corpus": ["Hello", ""]}], TEXT, " a")
    assert caught.value.field == "edits.0.corpus.1"


def test_tokens_are_replaced_before_the_pass(tmp_path: Path) -> None:
    model = served(checkpoints.bert(tmp_path, "masked"), "fill-mask")
    plain = traced(model, [], TEXT)
    assert plain.prediction.output == []
    masked = traced(model, [{"kind": "replace", "token": 2, "by": "[MASK]"}], TEXT)
    assert masked.prediction.output
    written = traced(model, [], "The [MASK] is reading a book.").axes["tokens"]
    assert masked.axes["tokens"].labels[2] == written.labels[2] == "[MASK]"
    assert masked.axes["tokens"].special[2] == written.special[2]
    assert masked.axes["tokens"].spans == plain.axes["tokens"].spans
    for edit, field in (
        ({"kind": "replace", "token": 99, "by": "girl"}, "token"),
        ({"kind": "replace", "token": 1, "by": "two words"}, "by"),
    ):
        with pytest.raises(InputError) as caught:
            traced(model, [edit], TEXT)
        assert caught.value.field == f"edits.0.{field}"
    picture = {"image": media_checkpoints.as_png(media_checkpoints.picture())}
    seen = served(media_checkpoints.vit(tmp_path / "vit"), "image-classification")
    with pytest.raises(ParameterError, match="reads no text"):
        traced(seen, [{"kind": "replace", "token": 1, "by": "girl"}], picture)


def test_what_cannot_be_edited_says_so(tmp_path: Path) -> None:
    picture = {"image": media_checkpoints.as_png(media_checkpoints.picture())}
    swin = served(media_checkpoints.swin(tmp_path / "swin"), "image-classification")
    site = swin.sites[0]["name"]
    quiet = traced(swin, [{"kind": "silence", "site": site, "layer": 0, "head": 0}], picture)
    assert float(quiet.layers[site][0].head(0).dense().max()) == 0
    assert quiet.certificate.warning is None
    with pytest.raises(ParameterError, match="attends inside windows"):
        traced(swin, [{"kind": "cut", "site": site, "query": 0, "key": 1}], picture)
    bert = served(checkpoints.bert(tmp_path / "bert", "masked"), "fill-mask")
    with pytest.raises(RangeError, match="layer 7 does not exist: encoder has layers 0 to 1"):
        traced(bert, [{"kind": "silence", "site": "encoder", "layer": 7, "head": 0}], "a [MASK]")
