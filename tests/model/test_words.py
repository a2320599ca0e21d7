"""Words of tokens, by the table that the page's words are tested by too, and their weights by hand."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from heedmap.model.prediction import Axis
from heedmap.model.words import Word, merge_words, split, words

CASES: list[dict[str, Any]] = json.loads((Path(__file__).parents[1] / "data" / "words.json").read_text("utf-8"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_tokens_make_the_words_of_the_table(case: dict[str, Any]) -> None:
    spans = [(start, stop) for start, stop in case["spans"]]
    axis = Axis("text", case["labels"], [0] * len(spans), spans, case["special"])
    actual = words(axis)
    assert [word.tokens for word in actual] == case["words"]
    assert [word.special for word in actual] == [case["special"][word[0]] for word in case["words"]]
    if case["text"] is not None:  # what is put together from labels reads as the text does
        read = " ".join(word.text for word in actual if not word.special)
        assert read.replace(" ", "") == "".join(case["text"].split())


def test_two_texts_and_what_is_no_text_are_apart() -> None:
    pair = Axis("text", ["un", "able"], [0, 1], [(0, 2), (2, 6)], [False] * 2, segments=[0, 1])
    assert [word.tokens for word in words(pair)] == [[0], [1]]
    patches = Axis("image", ["[0,0]", "[0,1]"], [-1, -1], [(0, 0)] * 2, [False] * 2)
    assert words(patches) == [Word("[0,0]", [0]), Word("[0,1]", [1])]
    mixed = Axis("mixed", ["un", "[0,0]", "able"], [0] * 3, [(0, 2), (0, 0), (2, 6)], [False] * 3)
    assert [word.tokens for word in words(mixed)] == [[0], [1], [2]]
    assert words(Axis("text", [], [], [], [])) == []
    assert words(Axis("text", ["▁"], [0], [(0, 0)], [False])) == [Word("▁", [0])]


def test_a_text_is_cut_into_words() -> None:
    text = "Geht's gut? 你好。Ärger3 naïve カーa"
    assert [text[a:b] for a, b in split(text)] == [
        *("Geht's", "gut", "?", "你", "好", "。", "Ärger3", "naïve", "カ", "ーa")
    ]


def test_words_sum_over_keys_and_average_over_queries() -> None:
    weights = np.array([[[0.1, 0.2, 0.7], [0.3, 0.3, 0.4], [0.0, 0.5, 0.5]]])
    merged = merge_words(weights, [Word("a", [0, 1]), Word("b", [2])], [Word("c", [0]), Word("d", [1, 2])])
    # Queries 0 and 1 give key 0 (0.1 + 0.3) / 2, and keys 1 and 2 together (0.9 + 0.7) / 2.
    np.testing.assert_allclose(merged, [[[0.2, 0.8], [0.0, 1.0]]])
