"""The job that perturbs texts: its curves against the definition, and what it refuses."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from heedmap.app.service.jobs.kind import Progress, Work
from heedmap.app.service.jobs.robustness.curves import moved
from heedmap.app.service.jobs.robustness.job import Robustness
from heedmap.app.service.jobs.robustness.request import RobustnessRequest
from heedmap.model.contract import Parameters, Request
from heedmap.model.errors import ParameterError
from heedmap.model.load import load
from heedmap.model.trace.trace import Trace

TEXTS = ["Wo ist der Bahnhof?", "Ich habe heute keine Zeit."]
SIX = Parameters(max_new_tokens=6)


@pytest.fixture(scope="module")
def work(tiny: Path) -> Work:
    model = load(tiny)
    return Work("tiny", model, model.describe())


def result(work: Work, **fields: Any) -> tuple[dict[str, Any], list[Progress]]:
    """What a request leads to, and the progress on the way."""
    body = RobustnessRequest(**{"inputs": TEXTS, "strengths": [0.1, 0.5], "seeds": 3, "parameters": SIX, **fields})
    Robustness().check(body, work.facts)
    steps, told = Robustness().steps(body, work), []
    while True:
        try:
            told.append(next(steps))
        except StopIteration as end:
            return end.value, told


def test_curves_heads_and_tokens(work: Work) -> None:
    made, told = result(work, perturbations=["typing_errors", "dropped_words"])
    assert told[-1] == Progress(2 * (1 + 2 * 2 * 3), 2 * (1 + 2 * 2 * 3), "texts")
    assert [(curve["perturbation"], curve["strength"]) for curve in made["curves"]] == [
        ("typing_errors", 0.1),
        ("typing_errors", 0.5),
        ("dropped_words", 0.1),
        ("dropped_words", 0.5),
    ]
    for curve in made["curves"]:
        for interval in (curve["exact"], curve["agreement"]):
            assert 0 <= interval["low"] <= interval["mean"] <= interval["high"] <= 1
        assert set(curve["divergence"]) == {"encoder", "decoder", "cross"}
    typed = [curve["divergence"]["encoder"]["mean"] for curve in made["curves"][:2]]
    assert 0 < typed[0] < typed[1] <= np.log(2)
    heads = [head["divergence"]["mean"] for head in made["heads"]]
    assert heads == sorted(heads, reverse=True)
    assert len({(head["site"], head["layer"], head["head"]) for head in made["heads"]}) == len(heads)
    assert set(made["heads"][0]["curves"]) == {"typing_errors", "dropped_words"}
    assert made["tokens"]
    assert {"input", "token", "label", "span", "loss", "touched"} == set(made["tokens"][0])
    for token in made["tokens"]:
        text = TEXTS[token["input"]]
        assert token["label"].lstrip("\u2581") == text[slice(*token["span"])]
    assert made["refused"] == []
    assert made["agreement"] == "chrf"
    again, _ = result(work, perturbations=["typing_errors", "dropped_words"])
    assert str(again["curves"]) == str(made["curves"]), "the same by the same seeds, where nothing matches too"


def test_a_perturbation_that_changes_nothing_leaves_everything(work: Work) -> None:
    made, _ = result(work, inputs=["Bahnhof"], perturbations=["dropped_words"])
    for curve in made["curves"]:
        assert curve["exact"] == curve["agreement"] == {"mean": 1.0, "low": 1.0, "high": 1.0}
        assert max(interval["high"] for interval in curve["divergence"].values()) < 1e-6
    assert made["tokens"] == []


def test_references_are_what_answers_are_compared_with(work: Work) -> None:
    made, _ = result(work, inputs=TEXTS[:1], references=["nothing like it"], perturbations=["swaps"], seeds=1)
    assert {curve["exact"]["mean"] for curve in made["curves"]} == {0.0}


def test_rows_that_moved_by_the_definition(work: Work) -> None:
    plain, other = work.record([Request(text, "Where is it?", SIX) for text in (TEXTS[0], "Wo ist denn der Bahnhof?")])
    assert isinstance(plain, Trace)
    assert isinstance(other, Trace)
    values = moved(plain, other, "cross")
    assert values.shape == (len(plain.layers["cross"]), plain.layers["cross"][0].heads)
    assert (values > 0).all()
    assert np.abs(moved(plain, plain, "encoder")).max() < 1e-6


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"references": ["one"]}, "references"),
        ({"strengths": [0.1, 0.1]}, "strengths"),
        ({"perturbations": ["swaps", "swaps"]}, "perturbations"),
        ({"inputs": ["a b"] * 100, "seeds": 50, "strengths": [0.1, 0.2]}, "seeds"),
        ({"inputs": ["a b"] * 10, "seeds": 50, "steps": 50, "perturbations": ["pgd"]}, "seeds"),
        ({"strengths": [0.1, 1.5]}, "strengths.1"),
        ({"strengths": [0]}, "strengths.0"),
        ({"perturbations": ["swaps", "blur"]}, "perturbations.1"),
    ],
)
def test_what_cannot_be_done_is_refused(work: Work, fields: Any, field: str) -> None:
    with pytest.raises(ParameterError) as refused:
        result(work, **fields)
    assert refused.value.field == field
