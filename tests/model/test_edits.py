"""What an edit may be: kinds, parts, and the field of each mistake."""

from typing import Any

import pytest

from heedmap.model.contract import check_edits
from heedmap.model.edits import END, MOST_TEXTS, Cut, Silence, corpora, interval
from heedmap.model.errors import ParameterError

PLACE = {"site": "cross", "layer": 0, "head": 0}


def test_edits_go_to_json_and_back() -> None:
    given: list[dict[str, Any]] = [
        {"kind": "silence", **PLACE, "how": "mean", "corpus": ["a", "b"]},
        {"kind": "temper", "site": "cross", "layer": -1, "head": "all", "temperature": 2.0},
        {"kind": "cut", "site": "decoder", "query": [3, None], "key": [0, 2], "mass": "drop"},
        {"kind": "patch", **PLACE, "trace": "ab", "what": "weights", "query": 4},
        {"kind": "replace", "token": 3, "by": "house"},
    ]
    edits = check_edits(given)
    assert check_edits([edit.to_json() for edit in edits]) == edits
    assert check_edits(edits) == edits
    assert isinstance(edits[2], Cut)
    assert (edits[2].layer, edits[2].head) == ("all", "all")
    assert [interval(part) for part in (edits[2].query, edits[2].key, 4, "all")] == [(3, END), (0, 2), (4, 5), (0, END)]
    assert check_edits([{"kind": "silence", **PLACE}]) == (Silence(kind="silence", how="zero", **PLACE),)


@pytest.mark.parametrize(
    ("edit", "field", "says"),
    [
        ("silence", "1.kind", "silence, temper, cut, patch, replace"),
        ({"kind": "mute", **PLACE}, "1.kind", "silence, temper, cut, patch, replace"),
        ({"kind": "silence", "layer": 0, "head": 0}, "1.site", "required"),
        ({"kind": "silence", **PLACE, "loud": True}, "1.loud", "unknown field"),
        ({"kind": "silence", **PLACE, "layer": "first"}, "1.layer", "a whole number or all, got 'first'"),
        ({"kind": "silence", **PLACE, "head": 1.5}, "1.head", "a whole number"),
        ({"kind": "silence", **PLACE, "how": "mean"}, "1.corpus", "needs texts"),
        ({"kind": "silence", **PLACE, "corpus": ["a"]}, "1.corpus", "takes no corpus"),
        ({"kind": "temper", **PLACE, "temperature": 0}, "1.temperature", "greater than"),
        ({"kind": "cut", "site": "cross", "key": [3, 3]}, "1.key", "start < stop"),
        ({"kind": "cut", "site": "cross", "key": -1}, "1.key", "from 0"),
        ({"kind": "cut", "site": "cross", "query": [1, 2, 3], "key": 0}, "1.query", "a span"),
        ({"kind": "replace", "token": 0, "by": ["a"]}, "1.by", "a word"),
    ],
)
def test_a_mistake_names_its_field(edit: Any, field: str, says: str) -> None:
    with pytest.raises(ParameterError, match=says) as caught:
        check_edits([{"kind": "silence", **PLACE}, edit])
    assert caught.value.field == field
    with pytest.raises(ParameterError, match="a list of at most"):
        check_edits({"kind": "silence"})


def test_all_corpora_together_are_bounded_and_the_same_one_counts_once() -> None:
    half = [str(number) for number in range(MOST_TEXTS // 2 + 1)]
    mean = {"kind": "silence", **PLACE, "how": "mean"}
    same = check_edits([{**mean, "corpus": half}] * 10)
    assert corpora(same) == [tuple(half)]
    with pytest.raises(ParameterError, match=r"258 texts, at most 256") as raised:
        check_edits([{**mean, "corpus": half}, {**mean, "corpus": [text + "x" for text in half]}, same[0]])
    assert raised.value.field == "2.corpus"
