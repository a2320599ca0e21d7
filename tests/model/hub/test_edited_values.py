"""An objective of transformers' models under many edits, against a trace of each edit alone."""

from pathlib import Path
from typing import Any

import pytest

from heedmap.model.contract import Measurable, Objective, Parameters, Request, check_edits
from heedmap.model.errors import InputError, ModelFailure
from heedmap.model.hub import edited_values
from heedmap.model.hub.served import HubModel
from heedmap.model.trace.trace import Trace
from tests.model.hub import checkpoints, media_checkpoints
from tests.model.hub.serving import served
from tests.model.hub.test_edits import TEXT, edits_of

Edits = list[dict[str, Any]]
ALL, FAIR = Objective(tokens="all"), Objective(label="fair")
REPLACED: Edits = [{"kind": "replace", "token": 2, "by": 8}]


def traced(model: HubModel, request: Request) -> Trace:
    [trace] = model.trace([request])
    assert isinstance(trace, Trace), repr(trace)
    return trace


def compare(model: HubModel, request: Request, sets: list[Edits], tolerance: float = 2e-5) -> None:
    """The values of a batch are those of traces."""
    assert isinstance(model, Measurable)
    trace, base = traced(model, request), [edit.to_json() for edit in request.edits]
    checked = [check_edits(edits) for edits in sets]
    batched = [number for some in model.values_under(request, trace.prediction, checked) for number in some]
    alone = []
    for edits in [[], *sets]:
        one = Request(request.inputs, request.target, request.parameters, request.objective, check_edits(base + edits))
        value = traced(model, one).objective
        assert value is not None
        alone.append(value["value"])
    assert batched == pytest.approx(alone, abs=tolerance)
    assert len({round(number, 4) for number in alone}) > len(sets) / 2, "they differ"


@pytest.mark.parametrize(
    ("name", "task", "sites", "target"),
    [
        ("llama", "text-generation", ("decoder",), " is a"),
        ("gpt2", "text-generation", ("decoder",), " is a"),
        ("t5", "text2text-generation", ("encoder", "decoder", "cross"), "Wo ist der Bahnhof?"),
        ("marian", "translation", ("encoder", "decoder", "cross"), "Wo ist der Bahnhof?"),
    ],
)
@pytest.mark.parametrize("budget", [1024, 50])
def test_generating_models(
    name: str, task: str, sites: tuple[str, ...], target: str, budget: int, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setitem(edited_values.TOKENS, "cpu", budget)
    model = served(getattr(checkpoints, name)(tmp_path), task)
    sets = [[edit] for site in sites for edit in edits_of(site)] + [edits_of(sites[-1]), REPLACED]
    compare(model, Request(TEXT, target, Parameters(), ALL), sets)
    base = check_edits(edits_of(sites[0])[:1])
    compare(model, Request(TEXT, target, Parameters(), ALL, base), sets[1:4])


def test_what_a_model_wrote_itself_stays_under_every_edit(tmp_path: Path) -> None:
    model = served(checkpoints.llama(tmp_path), "text-generation")
    request = Request(TEXT, None, Parameters(max_new_tokens=5), ALL)
    trace = traced(model, request)
    edit = check_edits([{"kind": "temper", "site": "decoder", "layer": 0, "head": "all", "temperature": 1.0}])
    [before, same] = [n for some in model.values_under(request, trace.prediction, [edit]) for n in some]
    assert trace.objective is not None
    assert before == pytest.approx(trace.objective["value"], abs=1e-5)
    assert same == pytest.approx(before, abs=1e-5)
    other = traced(model, Request("The station", None, Parameters(max_new_tokens=5), ALL))
    with pytest.raises(ModelFailure, match="trace it anew"):
        list(model.values_under(request, other.prediction, [edit]))


def test_classifiers_and_pictures(tmp_path: Path) -> None:
    bert = served(checkpoints.bert(tmp_path / "bert", "sequence-classification"), "text-classification")
    compare(bert, Request(TEXT, objective=FAIR), [[edit] for edit in edits_of("encoder")] + [REPLACED])
    picture = {"image": media_checkpoints.as_png(media_checkpoints.picture())}
    vit = served(media_checkpoints.vit(tmp_path / "vit"), "image-classification")
    label = Objective(label=0)
    compare(vit, Request(picture, objective=label), [[edit] for edit in edits_of(vit.sites[0]["name"])])
    swin = served(media_checkpoints.swin(tmp_path / "swin"), "image-classification")
    site = swin.sites[0]["name"]
    silent = [[{"kind": "silence", "site": site, "layer": 0, "head": head}] for head in (0, 1)]
    compare(swin, Request(picture, objective=label), silent)


def test_the_answer_as_it_is_stays_what_is_asked_about(tmp_path: Path) -> None:
    """The likeliest token behind a mask, the span of an answer: under edits others may be likelier."""
    masked = served(checkpoints.bert(tmp_path / "masked", "masked"), "fill-mask")
    request = Request("The [MASK] is reading a book.", objective=ALL)
    trace = traced(masked, request)
    best = trace.prediction.output[0]["token"]
    edits = check_edits([{"kind": "silence", "site": "encoder", "layer": "all", "head": "all"}])
    [_, under] = [n for some in masked.values_under(request, trace.prediction, [edits]) for n in some]
    contrast = Objective(tokens=(0,), minus=(best,))
    edited = traced(masked, Request(request.inputs, objective=ALL, edits=edits))
    against = traced(masked, Request(request.inputs, objective=contrast, edits=edits))
    assert edited.objective is not None
    assert against.objective is not None
    assert under == pytest.approx(edited.objective["value"] - against.objective["value"], abs=1e-5)
    answering = served(checkpoints.bert(tmp_path / "qa", "question-answering"), "question-answering")
    asked = {"question": "Who is reading?", "context": TEXT}
    compare(answering, Request(asked, objective=ALL), [])


def test_sentences_that_are_compared_are_rows_of_their_own(tmp_path: Path) -> None:
    model = served(checkpoints.bert(tmp_path), "sentence-similarity")
    inputs = {"source_sentence": TEXT, "sentences": ["A girl reads.", "He drove home to the station."]}
    sets = [[edit] for edit in edits_of("encoder") if edit["kind"] != "cut"]
    compare(model, Request(inputs, objective=Objective(label=1)), sets)


def test_a_bad_edit_is_named(tmp_path: Path) -> None:
    model = served(checkpoints.llama(tmp_path), "text-generation")
    request = Request(TEXT, " is a", Parameters(), ALL)
    prediction = traced(model, request).prediction
    for edit, field in (
        ({"kind": "silence", "site": "decoder", "layer": 9, "head": 0}, "edits.1.layer"),
        ({"kind": "cut", "site": "decoder", "query": 0, "key": 0}, "edits.1"),
        ({"kind": "replace", "token": 500, "by": 3}, "edits.1.token"),
    ):
        sets = [check_edits(edits_of("decoder")[:1]), check_edits([edit])]
        with pytest.raises(InputError) as caught:
            list(model.values_under(request, prediction, sets))
        assert caught.value.field == field
