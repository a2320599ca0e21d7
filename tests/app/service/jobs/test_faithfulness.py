"""The job that removes what measures name: on a model that one word decides, on a translator, and what it refuses."""

from pathlib import Path
from typing import Any

import pytest

from heedmap.app.service.jobs.faithfulness import Faithfulness, FaithfulnessRequest
from heedmap.app.service.jobs.kind import Progress, Work
from heedmap.model.errors import Cancelled, EmptyInput, InputError, ParameterError, RangeError
from heedmap.model.faithfulness import orders
from heedmap.model.load import load
from heedmap.model.measures.registry import CELLS
from tests.model.faithfulness.deciding import SENTENCES, WORD, write
from tests.model.hub import checkpoints
from tests.model.hub.serving import served

TEXTS = ["Wo ist der Bahnhof?", "Ich habe heute keine Zeit."]
SHORT = {"seeds": 5, "steps": 4, "parameters": {"max_new_tokens": 6}}


@pytest.fixture(scope="module")
def work(tiny: Path) -> Work:
    model = load(tiny)
    return Work("tiny", model, model.describe())


@pytest.fixture(scope="module")
def deciding(tmp_path_factory: pytest.TempPathFactory) -> Work:
    model = served(write(tmp_path_factory.mktemp("deciding") / "model"), "text-classification")
    return Work("deciding", model, model.describe())


def result(work: Work, **fields: Any) -> tuple[dict[str, Any], list[Progress]]:
    """What a request leads to, and the progress on the way."""
    body = FaithfulnessRequest.model_validate({**SHORT, **fields})
    Faithfulness().check(body, work.facts)
    steps, seen = Faithfulness().steps(body, work), []
    while True:
        try:
            seen.append(next(steps))
        except StopIteration as end:
            return end.value, seen


def test_the_measure_that_finds_the_deciding_word_is_better_than_chance(deciding: Work) -> None:
    """Weights are all alike there, so their order is that of the text, and no better than any other."""
    made, _ = result(deciding, inputs=SENTENCES, measures=["weights", "gradient-attention", "cut-effect"])
    rows = {row["measure"]: row for row in made["measures"]}
    for name in ("gradient-attention", "cut-effect"):
        assert rows[name]["verdict"] == "better than chance"
        for metric in ("comprehensiveness", "degradation"):
            assert rows[name][metric]["mean"] > made["random"][metric]["mean"]
            assert rows[name][metric]["fraction"] == 1
        assert rows[name]["sufficiency"]["mean"] < made["random"]["sufficiency"]["mean"]
        assert rows[name]["beats"] == ["weights"]
    assert rows["weights"]["verdict"] == "no better than chance"
    assert made["measures"][-1]["measure"] == "weights"
    assert made["refused"] == made["undefined"] == []


def test_of_one_input_the_order_is_told(deciding: Work) -> None:
    made, _ = result(deciding, inputs=SENTENCES[2:3], measures=["gradient-attention"])
    first = made["orders"]["gradient-attention"][0]
    assert made["units"][first]["label"] == WORD
    told = [unit["scores"]["gradient-attention"] for unit in made["units"]]
    assert told.index(max(told)) == first
    replaced, _ = result(deciding, inputs=SENTENCES[2:3], measures=["gradient-attention"], removal="replace")
    assert replaced["measures"][0]["deletion"]["mean"] < replaced["random"]["deletion"]["mean"]


@pytest.mark.parametrize("by", ["tokens", "edges"])
def test_a_translator_by_all_measures(work: Work, by: str) -> None:
    some = {} if by == "tokens" else {"fractions": [0.1, 0.5], "steps": 2}  # edges are many edits
    made, seen = result(work, inputs=TEXTS, by=by, **some)
    names = {row["measure"] for row in made["measures"]}
    whole = ("rollout", "relevance", "integrated-gradients", "gim") if by == "tokens" else ()
    assert names == {*CELLS, *whole} - {"normalised-norm"}, "our translator is pre-norm"
    total = 2 * (len({*CELLS, *whole}) + 5)  # what is not defined is asked for too
    assert seen[-1] == Progress(total, total, "orders")
    assert [each.done for each in seen] == sorted(each.done for each in seen)
    for row in made["measures"]:
        assert row["inputs"] == 2
        assert row["curves"]["deletion"]["mean"][0] == 0
        assert row["curves"]["insertion"]["mean"][-1] == 0
        assert row["curves"]["deletion"]["mean"][-1] == pytest.approx(row["curves"]["insertion"]["mean"][0])
    assert len(made["fractions"]) == (5 if by == "tokens" else 3)
    assert "orders" not in made


def test_given_outputs_and_objectives_are_what_is_explained(work: Work) -> None:
    own, _ = result(work, inputs=TEXTS[:1], measures=["weights"])
    given, _ = result(work, inputs=TEXTS[:1], measures=["weights"], targets=["I have no time."])
    one, _ = result(
        work, inputs=TEXTS[:1], measures=["weights"], targets=["I have no time."], objective={"tokens": [2]}
    )
    areas = [made["measures"][0]["deletion"]["mean"] for made in (own, given, one)]
    assert len(set(areas)) == 3


def test_a_sentence_encoder_has_the_measures_without_gradients_and_with_others_all(tmp_path: Path) -> None:
    model = served(checkpoints.bert(tmp_path / "model"), "sentence-similarity")
    work = Work("encoder", model, model.describe())
    alone, _ = result(work, inputs=["Where is the station?"])
    assert {row["measure"] for row in alone["measures"]} == {
        *("weights", "value-norm", "output-norm", "normalised-norm", "rollout"),
    }
    assert {each["measure"] for each in alone["undefined"]} >= {"gradient", "cut-effect", "relevance"}
    pair = {"source_sentence": "Where is the station?", "sentences": ["The train is late again."]}
    both, _ = result(work, inputs=[pair])
    assert both["undefined"] == []


def test_an_input_that_cannot_be_used_is_named_and_the_others_are_measured(work: Work) -> None:
    made, seen = result(work, inputs=["Wort " * 600, TEXTS[0]], measures=["weights"])
    assert made["refused"][0]["input"] == 0
    assert made["refused"][0]["error"]["errors"][0]["path"] == "inputs.0"
    assert made["measures"][0]["inputs"] == 1
    assert seen[-1].done == seen[-1].of


@pytest.mark.parametrize(
    ("fields", "field", "kind"),
    [
        ({"measures": ["weights", "glance"]}, "measures.1", RangeError),
        ({"measures": ["entropy"]}, "measures.0", RangeError),
        ({"measures": ["weights", "weights"]}, "measures.1", ParameterError),
        ({"measures": ["rollout"], "by": "edges"}, "measures.0", RangeError),
        ({"by": "edges", "removal": "replace"}, "removal", ParameterError),
        ({"inputs": [TEXTS[0], " "]}, "inputs.1", EmptyInput),
        ({"targets": ["one", "two"]}, "targets", ParameterError),
        ({"inputs": ["a b"] * 2000}, "inputs", ParameterError),
        ({"objective": {"tokens": [99]}}, "objective.tokens.0", RangeError),
        ({"objective": {"label": "good"}}, "objective.label", ParameterError),
        ({"inputs": [{"text": "a", "text_pair": "b"}]}, "inputs.0", ParameterError),
        ({"inputs": ["Wort " * 600]}, "inputs.0", InputError),
    ],
)
def test_what_cannot_be_done_is_refused(work: Work, fields: Any, field: str, kind: type[InputError]) -> None:
    with pytest.raises(kind) as refused:
        result(work, **{"inputs": TEXTS[:1], "seeds": 50, "steps": 2, **fields})
    assert refused.value.field == field


def test_measures_that_the_model_has_nothing_for_are_an_error_where_there_are_no_others(tmp_path: Path) -> None:
    model = served(checkpoints.bert(tmp_path / "model"), "feature-extraction")
    work = Work("encoder", model, model.describe())
    with pytest.raises(ParameterError, match="gradient is not defined here") as refused:
        result(work, inputs=["Where is the station?"], measures=["gradient"])
    assert refused.value.field == "measures"
    with pytest.raises(ParameterError) as refused:
        result(Work("eager", model, {"attention": "eager"}), inputs=["Where?"])
    assert refused.value.field == "removal"


def test_it_ends_half_way(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orders, "CHUNK", 2)
    body = FaithfulnessRequest.model_validate({**SHORT, "inputs": TEXTS})
    steps = Faithfulness().steps(body, work)
    for _ in range(20):
        next(steps)
    try:
        work.step = lambda: True
        with pytest.raises(Cancelled):
            next(steps)
    finally:
        work.step = lambda: False
    with pytest.raises(StopIteration):
        next(steps)
