"""A corpus step by step by a model made by hand: what is too long is cut, and what was measured holds when it stops."""

from collections.abc import Sequence
from typing import Any

import pytest

from heedmap.app.service.corpus import Item, cut_near_middle, measured, pieces
from heedmap.app.service.jobs.corpus import Corpus, CorpusRequest
from heedmap.app.service.jobs.kind import Work
from heedmap.model.contract import Parameters, Request
from heedmap.model.corpus.heads import Heads
from heedmap.model.corpus.running import Passage
from heedmap.model.errors import Cancelled, EmptyInput, HeedmapError, InputTooLong, ParameterError
from heedmap.model.trace.trace import Trace
from heedmap.model.watch import Stop, never, raise_if_cancelled
from tests.small_trace import H, small_trace

LONGEST = 40  # characters that the model reads


class Reader:
    """A model that reads so many characters, and answers with what it read."""

    task, revision, trace_limit = "translation", "m", 0

    def __init__(self) -> None:
        self.read: list[Request] = []

    def trace(self, requests: Sequence[Request], cancelled: Stop = never) -> list[Trace | HeedmapError]:
        raise_if_cancelled(cancelled)
        outcomes: list[Trace | HeedmapError] = []
        for request in requests:
            text = str(request.inputs)
            if not text.strip():
                outcomes.append(EmptyInput("nothing to attend to", field="inputs"))
            elif len(text) > LONGEST:
                outcomes.append(InputTooLong(f"{len(text)} characters", field="inputs"))
            else:
                self.read.append(request)
                outcomes.append(small_trace(text, text.strip()))
        return outcomes


def work(model: Any) -> Work:
    return Work("m", model, {})


def result_of(body: dict[str, Any], model: Reader) -> dict[str, Any]:
    steps = Corpus().steps(CorpusRequest(**body), work(model))
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: dict[str, Any] = end.value
            return result


def test_a_text_is_cut_where_a_sentence_ends_and_nothing_is_lost() -> None:
    text = "One is here, and there. Two is there. Three is nowhere."
    at = cut_near_middle(text)
    assert text[:at] == "One is here, and there. "
    assert cut_near_middle("abc def ghi") in (4, 8)
    assert cut_near_middle("x" * 40) == 20
    parts = list(pieces(Item(text, Passage(0, 3, text, line=7)), 32))
    assert "".join(part.inputs for part in parts) == text
    assert all(len(part.inputs) <= 32 for part in parts)
    for part in parts:
        assert (part.passage.input, part.passage.line) == (3, 7)
        assert text[part.passage.start : part.passage.stop] == part.inputs == part.passage.text
    assert Item(text, Passage(0, 0), target="given").halves() is None
    assert Item({"image": b""}, Passage(0, 0)).halves() is None


def test_what_is_too_long_for_the_model_is_cut_until_it_fits() -> None:
    model = Reader()
    text = "Eins zwei drei vier. " * 9
    result = result_of({"inputs": ["kurz", text, "", "auch kurz"]}, model)
    first, parts, empty, last = result["predictions"]
    assert (first["text"], last["text"]) == ("kurz", "auch kurz")
    assert empty["error"]["errors"][0]["path"] == "inputs.2"
    assert len(parts["parts"]) > 4
    assert "".join(part["text"] for part in parts["parts"]).replace(" ", "") == text.replace(" ", "")
    assert result["recorded"] == len(model.read) == 2 + len(parts["parts"])
    assert len(result["heads"]) == H
    known = {passage["number"]: passage for passage in result["passages"]}
    for row in result["heads"]:
        for number, _ in row["top"]["entropy"]:
            assert known[number]["input"] in (0, 1, 3)
    unbroken = result_of({"inputs": ["x" * 41], "targets": ["y"]}, model)["predictions"][0]
    assert "41 characters" in unbroken["error"]["detail"], "a pair is not cut"


def test_targets_are_given_and_counted() -> None:
    model = Reader()
    result_of({"inputs": ["a", "b"], "targets": ["c", "d"]}, model)
    assert [request.target for request in model.read] == ["c", "d"]
    with pytest.raises(ParameterError, match="2 inputs take as many targets, got 1") as wrong:
        Corpus().check(CorpusRequest(inputs=["a", "b"], targets=["c"]), {})
    assert wrong.value.field == "targets"


def test_what_was_measured_before_it_was_cancelled_holds() -> None:
    heads, told, stopped = Heads(), list[str](), False
    job = work(Reader())
    job.step = lambda: stopped
    items = [Item(f"text {number}", Passage(0, number)) for number in range(20)]
    steps = measured(job, items, Parameters(), heads, lambda item, outcome: told.append(item.inputs), together=4)
    assert next(steps) == 4
    assert next(steps) == 8
    stopped = True
    with pytest.raises(Cancelled):
        next(steps)
    assert heads.sequences == 8
    assert told == [f"text {number}" for number in range(8)]
    assert heads.table()[0]["entropy"] is not None
