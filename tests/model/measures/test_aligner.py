"""Alignments out of traces: which head, in which reading, and both directions together."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from heedmap.model.contract import Request
from heedmap.model.errors import RangeError
from heedmap.model.load import load
from heedmap.model.measures.aligner import HeadChoice, align, both_ways, together
from heedmap.model.measures.word_alignment import content_words, shared_words, word_scores
from heedmap.model.trace.trace import Trace
from heedmap.model.words import split

SOURCE, TARGET = "Wo ist der Bahnhof?", "Where is the station?"


@pytest.fixture(scope="module")
def trace(tiny: Path) -> Trace:
    [trace] = load(tiny).trace([Request(SOURCE, TARGET)])
    assert isinstance(trace, Trace)
    return trace


def test_words_and_links_of_a_trace(trace: Trace) -> None:
    found = align(trace)
    assert found.source == [SOURCE[start:stop] for start, stop in split(SOURCE)]
    assert found.target == [TARGET[start:stop] for start, stop in split(TARGET)]
    body = found.to_json()
    assert len(body["scores"]) == len(found.links) == len(body["pharaoh"].split())
    assert all(0 < score <= 1 for score in body["scores"])


def maps(trace: Trace) -> NDArray[np.float32]:
    return np.stack([trace.map("cross", layer).dense().numpy() for layer in range(2)])  # L H Q K


@pytest.mark.parametrize(
    ("choice", "expected", "pick"),
    [
        (HeadChoice(), ("mean", "mean", "output"), lambda m: m.mean(axis=(0, 1))),
        (HeadChoice(layer=-2), (0, "mean", "output"), lambda m: m[0].mean(axis=0)),
        (HeadChoice(head=-1), ("mean", 3, "output"), lambda m: m[:, 3].mean(axis=0)),
        (HeadChoice(1, 2, "input"), (1, 2, "input"), lambda m: m[1, 2]),
    ],
)
def test_what_is_left_open_is_a_mean(trace: Trace, choice: HeadChoice, expected: Any, pick: Any) -> None:
    found = align(trace, choice)
    assert (found.layer, found.head, found.reading) == expected
    target, source = (content_words(trace.axes[name]) for name in ("target", "source"))
    scores = word_scores(pick(maps(trace)), target, source, found.reading)
    np.testing.assert_allclose(found.scores, scores, atol=1e-6)


def test_a_word_whose_token_rests_on_the_end_has_no_link_by_a_head(trace: Trace) -> None:
    """A mean of heads always links it: some of them rest."""
    whole = maps(trace)[1, 0]
    special = np.asarray(trace.axes["source"].special)
    resting = {token for token in range(len(whole)) if special[whole[token].argmax()]}
    linked = {target for _, target in align(trace, HeadChoice(1, 0)).links}
    words = content_words(trace.axes["target"])
    assert linked == {place for place, word in enumerate(words) if not set(word.tokens) <= resting}
    assert {target for _, target in align(trace).links} == set(range(len(words)))


@pytest.mark.parametrize(("choice", "field"), [(HeadChoice(2), "layer"), (HeadChoice(0, -5), "head")])
def test_there_must_be_such_a_head(trace: Trace, choice: HeadChoice, field: str) -> None:
    with pytest.raises(RangeError, match=f"there is no {field}") as caught:
        align(trace, choice)
    assert caught.value.field == field


def test_both_directions_must_see_the_same_words(trace: Trace, tiny: Path) -> None:
    [back, other] = (align(t) for t in load(tiny).trace([Request(TARGET, SOURCE), Request(TARGET, "Wo?")]))
    found = together(align(trace), back, "intersection")
    assert found.links == align(trace).links & {(s, t) for t, s in back.links}
    with pytest.raises(RangeError, match="different words"):
        together(align(trace), other, "union")


def test_the_head_that_was_taught_counts_where_none_is_named(trace: Trace) -> None:
    taught = replace(trace, model={**trace.model, "alignment": "1.2.input"})
    found = align(taught)
    assert (found.layer, found.head, found.reading) == (1, 2, "input")
    assert align(taught, HeadChoice(reading="output")).reading == "output"
    assert align(taught, HeadChoice(layer=0)).layer == 0
    target, source = (content_words(trace.axes[name]) for name in ("target", "source"))
    assert found.links == shared_words(maps(trace)[1, 2], target, source, "input"), "as it was taught"
    assert align(taught, HeadChoice(1, 2, "input")).links == found.links, "whether it is named or not"
    assert align(taught, HeadChoice(1, 2, "output")).links == align(trace, HeadChoice(1, 2, "output")).links
    beyond = replace(trace, model={**trace.model, "alignment": "2.0.input"})
    assert align(beyond).links == align(trace).links


def test_the_model_of_the_other_direction() -> None:
    def model(source: str | None, target: str | None) -> dict[str, object]:
        return {"languages": {"source": source, "target": target}}

    served = [("de-en", model("de", "en")), ("zh-en", model("zh", "en")), ("en-de", model("en", "de")), ("text", {})]
    assert both_ways(served, "de-en") == "en-de"
    assert both_ways(served, "zh-en") is None
    assert both_ways(served, "text") is None
