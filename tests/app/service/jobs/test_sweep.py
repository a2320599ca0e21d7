"""The job that silences every head: against traces of each, its means, and what it refuses."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from heedmap.app.service.jobs.kind import Progress, Work
from heedmap.app.service.jobs.sweep import Sweep, SweepRequest
from heedmap.model.contract import Measurable, Objective, Parameters, Request, check_edits
from heedmap.model.errors import Cancelled, EmptyInput, ParameterError
from heedmap.model.load import load
from heedmap.model.native import edited_passes
from heedmap.model.trace.trace import Trace

TEXTS = ["Wo ist der Bahnhof?", "Ich habe heute keine Zeit."]
SIX = Parameters(max_new_tokens=6)


@pytest.fixture
def work(tiny: Path) -> Work:
    model: Any = load(tiny)
    return Work("tiny", model, model.describe())


def result(work: Work, **fields: Any) -> tuple[dict[str, Any], list[Progress]]:
    body = SweepRequest(**{"inputs": TEXTS, "parameters": SIX, **fields})
    Sweep().check(body, work.facts)
    steps, told = Sweep().steps(body, work), []
    while True:
        try:
            told.append(next(steps))
        except StopIteration as end:
            return end.value, told


def test_each_input_and_the_means(work: Work) -> None:
    made, told = result(work)
    assert told[-1] == Progress(2, 2, "inputs")
    assert (made["inputs"], made["recorded"], made["how"]) == (2, 2, "zero")
    assert made["objective"] == {"tokens": "all"}
    assert made["correlation"]["pairs"] == 2 * 24
    for place, site in enumerate(made["sites"]):
        for name in ("estimated", "measured"):
            each = np.array([row["sites"][place][name] for row in made["results"]], dtype=float)
            assert np.array(site[name], dtype=float) == pytest.approx(each.mean(0))
    order = [abs(row["measured"]) for row in made["ranking"]]
    assert order == sorted(order, reverse=True)
    first = made["ranking"][0]
    silence = check_edits([{"kind": "silence", **{name: first[name] for name in ("site", "layer", "head")}}])
    differences = []
    for text in TEXTS:
        request = Request(text, None, SIX, Objective(tokens="all"))
        [trace] = work.record([request])
        assert isinstance(trace, Trace)
        assert isinstance(work.model, Measurable)
        before, after = (n for some in work.model.values_under(request, trace.prediction, [silence]) for n in some)
        differences.append(after - before)
    assert first["measured"] == pytest.approx(np.mean(differences), abs=1e-5)


def test_estimates_alone_and_uniform_silence(work: Work) -> None:
    made, _ = result(work, measured=False, how="uniform", objective=Objective(tokens=(0,)))
    assert made["correlation"] is None
    assert all(site["measured"] is None for site in made["sites"])
    order = [abs(row["estimated"]) for row in made["ranking"]]
    assert order == sorted(order, reverse=True)


def test_an_input_that_cannot_be_used_has_its_problem(work: Work) -> None:
    made, told = result(work, inputs=["", *TEXTS])
    assert told[-1] == Progress(3, 3, "inputs")
    assert made["recorded"] == 2
    assert made["results"][0]["error"]["errors"][0]["path"] == "inputs.0"
    with pytest.raises(EmptyInput):
        result(work, inputs=["", ""])


def test_it_stops_between_batches(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(edited_passes.TOKENS, "cpu", 1)
    steps = Sweep().steps(SweepRequest(inputs=TEXTS, parameters=SIX), work)
    for _ in range(4):
        next(steps)
    work.step = lambda: True
    with pytest.raises(Cancelled):
        next(steps)


def test_too_much_is_refused(work: Work) -> None:
    many = ["a"] * 2000
    facts = {"sites": [{"layers": 40, "heads": 40}]}
    with pytest.raises(ParameterError) as refused:
        Sweep().check(SweepRequest(inputs=many), facts)
    assert refused.value.field == "inputs"
    Sweep().check(SweepRequest(inputs=many, measured=False), facts)


def test_a_model_that_measures_nothing_says_so(work: Work) -> None:
    class Plain:
        task, revision, trace_limit = "translation", "r", 0
        describe, predict, trace = work.model.describe, work.model.predict, work.model.trace

    other = Work("plain", Plain(), work.facts)
    with pytest.raises(ParameterError) as refused:
        result(other)
    assert refused.value.field == "measured"
    assert result(other, measured=False)[0]["recorded"] == 2
