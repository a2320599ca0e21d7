"""The alignment in the terminal, by hand."""

import io
import re

import numpy as np
import pytest
from rich.cells import cell_len
from rich.console import Console

from app.alignment import Alignment
from app.colours import palette
from app.terminal import alignment_score, by_words, print_alignment, words
from model.errors import RangeError
from model.served import Axis, Prediction

ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


def axis(*labels: str) -> Axis:
    """An axis with these labels; what stands in angle brackets is special."""
    special = [label.startswith("<") for label in labels]
    return Axis("text", list(labels), list(range(len(labels))), [(0, 0)] * len(labels), special)


SOURCE = axis("▁Bahn", "hof", "?", "</s>")
TARGET = axis("▁st", "ation", "?", "</s>")
WEIGHTS = np.array([[0.5, 0.3, 0.1, 0.1], [0.7, 0.1, 0.0, 0.2], [0.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0]], np.float32)


def printed(width: int, colour: bool = False) -> str:
    """The alignment as a console of this width shows it."""
    system = "truecolor" if colour else None
    console = Console(file=io.StringIO(), width=width, color_system=system, force_terminal=colour, highlight=False)
    print_alignment(console, WEIGHTS, TARGET, SOURCE)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_tokens_are_joined_to_words() -> None:
    found = words(axis("▁don", "'", "t", "▁", "Bahn", "hof", ",", "▁12", "▁Köln", ".", "</s>"))
    assert [word.text for word in found] == ["don't", "Bahnhof", ",", "12", "Köln", ".", "</s>"]
    assert [(word.start, word.stop) for word in found][:3] == [(0, 3), (3, 6), (6, 7)]
    assert [word.special for word in found] == [False] * 6 + [True]


def test_a_words_weight_is_summed_over_keys_and_averaged_over_queries() -> None:
    table = by_words(WEIGHTS, words(TARGET), words(SOURCE))
    np.testing.assert_allclose(table, [[0.8, 0.05, 0.15], [0, 1, 0], [0, 0, 1]], atol=1e-6)


def test_the_score_of_a_head_is_high_where_it_aligns() -> None:
    tokens = axis("▁a", "▁b", "</s>")
    aligned, sink, even = np.eye(3), np.tile([0.0, 0.0, 1.0], (3, 1)), np.full((3, 3), 1 / 3)
    scores = alignment_score(np.stack([aligned, sink, even]).astype(np.float32), tokens, tokens)
    np.testing.assert_allclose(scores, [1, 0, 1 / 9], atol=1e-6)


def test_each_target_word_stands_beside_its_best_source_word() -> None:
    lines = printed(100).splitlines()
    assert lines[0].split() == ["Bahnhof", "?", "</s>"]
    assert lines[1].split() == ["station", "←", "Bahnhof", "80%", "80", "5", "15"]
    assert lines[2].split() == ["?", "←", "?", "100%", "99"]
    assert len(lines) == 3, "the closing token has no row"


def test_a_narrow_console_folds_the_columns() -> None:
    lines = printed(40).splitlines()
    assert all(cell_len(line) <= 40 for line in lines)
    assert [line.split() for line in lines if "←" not in line] == [["Bahnhof", "?"], ["</s>"]]


def test_the_background_is_the_weight() -> None:
    red, green, blue = palette()[-3:]
    coloured = printed(100, colour=True)
    assert f"48;2;{red};{green};{blue}" in coloured
    assert ESCAPE.sub("", coloured) == printed(100)


def test_the_best_head_is_chosen_among_what_was_left_open() -> None:
    even = np.full((2, 4, 4), 0.25, np.float32)
    layers = [even, np.stack([even[0], WEIGHTS])]
    found = Alignment(Prediction("station?", TARGET.labels, -1.0, {}), TARGET, SOURCE, layers)
    assert found.choose(None, None) == (1, 1)
    assert found.choose(None, 0) == (0, 0)
    assert found.choose(-1, None) == (1, 1)
    assert found.choose(0, -1) == (0, 1)
    with pytest.raises(RangeError, match="head 2 does not exist: cross has heads 0 to 1"):
        found.choose(1, 2)
