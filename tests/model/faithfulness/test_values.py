"""An objective's value under edits, of every kind of model, against traces and against embeddings edited by hand."""

from pathlib import Path

import numpy as np
import pytest
import torch
import transformers as hf

from heedmap.model.contract import Objective, Request, Served
from heedmap.model.edits import check_edits
from heedmap.model.errors import Cancelled, InputError, ParameterError
from heedmap.model.faithfulness.subject import settled, stand_in, traced
from heedmap.model.faithfulness.values import values
from heedmap.model.hub.served import HubModel
from heedmap.model.load import load
from heedmap.model.trace.trace import Trace
from tests.model.faithfulness.deciding import SENTENCES, WORD, write
from tests.model.hub import checkpoints
from tests.model.hub.serving import served

ALL = Objective(tokens="all")
TEXT = "Wo ist der Bahnhof?"
CUTS = [
    check_edits(edits)
    for edits in (
        [],
        [{"kind": "cut", "site": "encoder", "key": 1}],
        [{"kind": "cut", "site": "cross", "key": [0, 2]}, {"kind": "cut", "site": "encoder", "key": [0, 2]}],
    )
]


def value(model: Served[Trace], request: Request) -> float:
    [trace] = model.trace([request])
    assert isinstance(trace, Trace), trace
    assert trace.objective is not None
    return float(trace.objective["value"])


def test_a_translators_output_is_the_value_of_the_traces_objective(tiny: Path) -> None:
    model = load(tiny)
    got = values(model, Request(TEXT, "Where is it?", objective=ALL), CUTS)
    expected = [value(model, Request(TEXT, "Where is it?", objective=ALL, edits=edits)) for edits in CUTS]
    assert got == pytest.approx(expected, abs=1e-4)
    assert len({round(each, 4) for each in got}) == 3
    some = Objective(tokens=(1,), minus=("I",))
    assert values(model, Request(TEXT, "Where is it?", objective=some), CUTS[:1]) == pytest.approx(
        [value(model, Request(TEXT, "Where is it?", objective=some))]
    )


def test_an_output_is_settled_as_the_models_own(tiny: Path) -> None:
    model = load(tiny)
    request = settled(
        model, Request(TEXT, parameters=Request(TEXT).parameters.model_copy(update={"max_new_tokens": 5}))
    )
    [prediction] = model.predict([Request(TEXT, None, request.parameters)])
    assert (request.target, request.objective) == (prediction.text, ALL)  # type: ignore[union-attr]
    assert stand_in(model) == 3
    trace = traced(model, request)
    assert all(layer.d_output is not None for layer in trace.layers["cross"])


@pytest.fixture(scope="module")
def deciding(tmp_path_factory: pytest.TempPathFactory) -> HubModel:
    return served(write(tmp_path_factory.mktemp("deciding") / "model"), "text-classification")


def test_a_classifiers_logit_by_name_and_by_number(deciding: HubModel) -> None:
    request = settled(deciding, Request(SENTENCES[1]))
    assert request.objective == Objective(label="good")
    place = 1 + SENTENCES[1].split().index(WORD)
    cut = check_edits([{"kind": "cut", "site": "encoder", "key": place}])
    named = values(deciding, request, [(), cut])
    numbered = values(deciding, Request(SENTENCES[1], objective=Objective(label=1)), [(), cut])
    assert named == pytest.approx(numbered, abs=1e-5)
    assert named[0] > 0.1 > 1e-5 > abs(named[1]), "nothing is left of the word where it is not seen"
    less = Objective(label="good", minus=("bad",))
    assert values(deciding, Request(SENTENCES[1], objective=less), [()]) == pytest.approx(named[:1])
    with pytest.raises(ParameterError) as refused:
        values(deciding, Request(SENTENCES[1], objective=Objective(label="odd")), [()])
    assert refused.value.field == "objective.label"
    assert deciding.loaded.tokenizer.mask_token_id == stand_in(deciding)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> HubModel:
    return served(checkpoints.bert(tmp_path_factory.mktemp("encoder") / "model"), "sentence-similarity")


def unit(states: torch.Tensor) -> np.ndarray:
    mean = states.double().mean(dim=0).numpy()
    return np.asarray(mean / np.linalg.norm(mean))


def test_the_cosine_of_an_embedding_to_itself_and_to_another_that_is_not_edited(encoder: HubModel) -> None:
    one, other = "Where is the station?", "The train is late again."
    cut = check_edits([{"kind": "cut", "site": "encoder", "key": 3}])
    [plain, edited, theirs] = (
        unit(torch.tensor(p.output[0]))  # type: ignore[union-attr]
        for request in (Request(one), Request(one, edits=cut), Request(other))
        for p in encoder.predict([request])
    )
    assert values(encoder, Request(one), [(), cut]) == pytest.approx([1.0, float(edited @ plain)], abs=1e-5)
    both = {"source_sentence": one, "sentences": [one, other]}
    request = Request(both, objective=Objective(label=1))
    expected = [float(plain @ theirs), float(edited @ theirs)]
    assert values(encoder, request, [(), cut]) == pytest.approx(expected, abs=1e-5)
    assert value(encoder, request) == pytest.approx(expected[0], abs=1e-5)
    assert settled(encoder, Request(both)).objective == Objective(label=0)
    assert settled(encoder, Request(one)).objective is None


def test_what_cannot_be_followed_is_refused(encoder: HubModel, tiny: Path, tmp_path: Path) -> None:
    masked = served(checkpoints.bert(tmp_path / "masked", "masked"), "fill-mask")
    cases = [
        (masked, Request("Where is the [MASK]?", objective=ALL), "objective.tokens"),
        (encoder, Request("Where?", objective=Objective(label=0)), "objective"),
        (
            encoder,
            Request({"source_sentence": "a", "sentences": ["b"]}, objective=Objective(label=1)),
            "objective.label",
        ),
        (load(tiny), Request(TEXT, "Where?", objective=Objective(tokens=(40,))), "objective.tokens.0"),
    ]
    for model, request, field in cases:
        with pytest.raises(InputError) as refused:
            values(model, request, [()])
        assert refused.value.field == field
    blind = check_edits([{"kind": "cut", "site": "cross", "key": "all"}])
    with pytest.raises(ParameterError, match="nothing to see") as refused:
        values(load(tiny), Request(TEXT, "Where?", objective=ALL), [blind])
    assert refused.value.field == "edits.0"


def test_it_ends_when_nobody_waits(tiny: Path) -> None:
    asked = 0

    def stop() -> bool:
        nonlocal asked
        asked += 1
        return asked > 1

    with pytest.raises(Cancelled):
        values(load(tiny), Request(TEXT, "Where is it?", objective=ALL), CUTS * 20, stop)


def test_a_family_without_edits_replaces(tmp_path: Path) -> None:
    from tests.model.hub import vocabularies

    tokenizer = vocabularies.wordpiece()
    config = hf.DebertaV2Config(
        vocab_size=len(tokenizer), **checkpoints.SHAPE, **checkpoints.HEADS["sequence-classification"][1]
    )
    model = checkpoints.random(hf.DebertaV2ForSequenceClassification, config)
    eager = served(checkpoints.save(tmp_path / "model", model, tokenizer), "text-classification")
    request = settled(eager, Request("Where is the station?"))
    replace = check_edits([{"kind": "replace", "token": 2, "by": stand_in(eager)}])
    got = values(eager, request, [(), replace])
    assert abs(got[0] - got[1]) > 1e-4
    assert traced(eager, request).objective is None
    with pytest.raises(ParameterError, match="replace tokens"):
        values(eager, request, [CUTS[1]])
