"""The alignment in the terminal, by hand."""

import io
import re
from typing import Any

import numpy as np
import pytest
from rich.cells import cell_len
from rich.console import Console

from heedmap.app.client.alignment import Alignment
from heedmap.app.render.colours import palette
from heedmap.app.render.terminal import (
    prediction_lines,
    print_alignment,
    print_attended,
    print_prediction,
)
from heedmap.model.contract import Axis, Prediction
from heedmap.model.errors import RangeError
from heedmap.model.measures.alignment import MOST_CELLS

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
    alignment = Alignment(Prediction("station?", TARGET.labels, -1.0, {}), TARGET, SOURCE, layers)
    assert alignment.choose(None, None) == (1, 1)
    assert alignment.choose(None, 0) == (0, 0)
    assert alignment.choose(-1, None) == (1, 1)
    assert alignment.choose(0, -1) == (0, 1)
    with pytest.raises(RangeError, match="head 2 does not exist: cross has heads 0 to 1"):
        alignment.choose(1, 2)


def test_maps_too_long_to_look_through_have_no_best_head() -> None:
    long = axis(*["▁a"] * (MOST_CELLS // 4 + 1))
    layers = [np.zeros((2, 0, 0), np.float32)]  # not looked at
    alignment = Alignment(Prediction("", [], None, {}), long, axis("▁a", "▁b"), layers)
    assert alignment.choose(None, None) == (0, None)
    assert alignment.choose(None, 1) == (0, 1)
    requests = Alignment(Prediction("", [], None, {}), TARGET, SOURCE, layers, best=lambda: None)
    assert requests.choose(None, None) == (0, None)


def test_without_alignment_the_last_layers_mean_is_shown() -> None:
    layers = [np.stack([WEIGHTS, WEIGHTS[::-1]]), np.stack([WEIGHTS[::-1], WEIGHTS])]
    alignment = Alignment(Prediction("station?", [], None, {}), TARGET, SOURCE, layers, "encoder")
    assert alignment.choose(None, None) == (1, None)
    assert alignment.choose(-2, -1) == (0, 1)
    np.testing.assert_array_equal(alignment.weights(1, None), (WEIGHTS + WEIGHTS[::-1]) / 2)
    with pytest.raises(RangeError, match="layer 2 does not exist: encoder has layers 0 to 1"):
        alignment.choose(2, None)


def attended(weights: np.ndarray, queries: Axis, keys: Axis) -> list[str]:
    """What a console shows of the keys that are looked at most."""
    console = Console(file=io.StringIO(), width=200, color_system=None, highlight=False)
    print_attended(console, weights, queries, keys)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def test_what_is_attended_most() -> None:
    tokens = axis("<cls>", "▁a", "▁b")
    weights = np.array([[1, 0, 0], [0.5, 0, 0.5], [0.25, 0, 0.75]], np.float32)
    assert attended(weights, tokens, tokens) == ["all ← <cls> 58%, b 42%, a 0%"]
    frames = Axis("audio", ["0", "1"], [-1, -1], [(0, 0)] * 2, [False] * 2, seconds=[(0.0, 0.02), (0.02, 0.04)])
    weights_of_frames = np.array([[0.25, 0.75], [0.5, 0.5], [1, 0], [0, 1]], np.float32)
    assert attended(weights_of_frames, TARGET, frames) == [
        "station ← 0.02-0.04 s 62%, 0.00-0.02 s 38%",
        "?       ← 0.00-0.02 s 100%, 0.02-0.04 s 0%",
    ]


@pytest.mark.parametrize(
    ("prediction", "lines"),
    [
        (Prediction("Hi.", ["Hi", "."], -1.0, {}, {"generated_text": "Hi."}), ["Hi."]),
        (Prediction("", [], None, {}), [""]),
        (
            Prediction("cat", [], 0.9, {}, [{"label": "cat", "score": 0.9}, {"label": "dog", "score": 0.1}]),
            ["0.9000  cat", "0.1000  dog"],
        ),
        (
            Prediction("me", [], 0.5, {}, {"score": 0.5, "start": 3, "end": 5, "answer": "me"}),
            ["0.5000  start 3  end 5  me"],
        ),
        (
            Prediction("a", [], 1.0, {}, [[{"score": 1.0, "token_str": "a"}], [{"score": 0.5, "token_str": "b"}]]),
            ["1.0000  a", "0.5000  b"],
        ),
        (Prediction("", [], None, {}, [0.12345, 2.0]), ["[0.1235, 2]"]),
        (Prediction("", [], None, {}, [[[0.5] * 8] * 3]), ["[0.5, 0.5, 0.5, 0.5, ...] (1 x 3 x 8)"]),
        (Prediction("", [], None, {}, []), ["[]"]),
        (
            Prediction("x", [], 0.1, {}, [{"label": "x", "score": 0.1}] * 12),
            ["0.1000  x"] * 10 + ["... and 2 more"],
        ),
    ],
)
def test_predictions_of_every_shape_have_lines(prediction: Prediction, lines: list[str]) -> None:
    assert prediction_lines(prediction) == lines


@pytest.mark.parametrize(("reason", "last"), [("length", "(cut at 3 tokens)"), ("stop", "a b c"), (None, "a b c")])
def test_a_text_that_was_cut_says_so(reason: Any, last: str) -> None:
    console = Console(file=io.StringIO(), width=80)
    print_prediction(console, Prediction("a b c", ["a", "b", "c"], -1.0, {}, None, reason))
    assert console.file.getvalue().splitlines()[-1] == last  # type: ignore[attr-defined]
