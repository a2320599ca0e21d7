"""Axes matched token by token."""

import itertools
import random

import pytest

from heedmap.model.errors import ParameterError
from heedmap.model.measures import matching
from heedmap.model.measures.matching import Match, match_axes
from heedmap.model.prediction import Axis


def axis(text: str, kind: str = "text", ids: bool = True) -> Axis:
    """Words; </s> is special, and each word has one id wherever it stands."""
    words = text.split()
    return Axis(
        kind,
        words,
        [sum(map(ord, word)) if ids else -1 for word in words],
        [(0, 0)] * len(words),
        [word == "</s>" for word in words],
    )


def test_equal_axes_match_whole() -> None:
    match = match_axes(axis("a b c </s>"), axis("a b c </s>"), "keys")
    assert match == Match("ids", [(0, 0, 4)], [], (4, 4))
    assert match.unmatched() == ([], [])


def test_what_is_inserted_has_no_partner() -> None:
    match = match_axes(axis("the cat sat </s>"), axis("the big black cat sat </s>"), "keys")
    assert match.equal == [(0, 0, 1), (1, 3, 3)]
    assert match.partners().tolist() == [0, 3, 4, 5]
    assert match.to_json() == {
        "by": "ids",
        "equal": [[0, 0, 1], [1, 3, 3]],
        "substituted": [],
        "unmatched": [[], [[1, 3]]],
    }


def test_what_stands_in_the_place_of_another_is_substituted() -> None:
    match = match_axes(axis("the cat sat on it </s>"), axis("the dog lay on it at last </s>"), "keys")
    assert match.equal == [(0, 0, 1), (3, 3, 2), (5, 7, 1)]
    assert match.substituted == [(1, 1, 2)]
    assert match.unmatched() == ([], [[5, 7]])


def test_labels_match_where_the_vocabularies_differ() -> None:
    one, other = axis("\u2581the \u2581cat s"), axis("the cat s", ids=False)
    match = match_axes(one, other, "keys")
    assert (match.by, match.equal) == ("labels", [(0, 0, 3)])
    renamed = Axis("text", ["x", "cat", "s"], [one.ids[0], 2, 3], one.spans, one.special)
    assert match_axes(one, renamed, "keys").by == "labels", "one id, two tokens"


def test_patches_match_by_position() -> None:
    one, other = axis("p q", "image", ids=False), axis("r s", "image", ids=False)
    assert match_axes(one, other, "keys") == Match("position", [(0, 0, 2)], [], (2, 2))


@pytest.mark.parametrize(
    ("one", "other", "says"),
    [
        (axis("a b </s>"), axis("c d </s>"), "no token in common"),
        (axis("a"), axis("a", "image"), "are text and those of the second image"),
    ],
)
def test_axes_that_do_not_match_at_all_are_refused(one: Axis, other: Axis, says: str) -> None:
    with pytest.raises(ParameterError, match=says) as refused:
        match_axes(one, other, "keys")
    assert refused.value.field == "traces"


def longest(one: str, other: str) -> int:
    """The length of a longest common subsequence, by its definition."""
    if not one or not other:
        return 0
    if one[0] == other[0]:
        return 1 + longest(one[1:], other[1:])
    return max(longest(one[1:], other), longest(one, other[1:]))


def test_the_common_subsequence_is_a_longest_one(monkeypatch: pytest.MonkeyPatch) -> None:
    draw = random.Random(0)
    for _ in range(60):
        one, other = ("".join(draw.choices("abc", k=draw.randrange(1, 8))) for _ in range(2))
        runs = list(matching._common(one, other))
        pairs = [(i + k, j + k) for i, j, n in runs for k in range(n)]
        assert all(one[i] == other[j] for i, j in pairs)
        assert all(a[0] < b[0] and a[1] < b[1] for a, b in itertools.pairwise(pairs))
        assert len(pairs) == longest(one, other), (one, other)
        monkeypatch.setattr(matching, "MOST_CELLS", 0)  # difflib's, which may be shorter
        short = [(i + k, j + k) for i, j, n in matching._common(one, other) for k in range(n)]
        assert all(one[i] == other[j] for i, j in short)
        assert len(short) <= len(pairs)
        monkeypatch.undo()
