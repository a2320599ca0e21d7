"""Labels of either direction, by the literal marks around them: in figures and in the terminal; data stays raw."""

import io

import numpy as np
import pytest
from rich.cells import cell_len
from rich.console import Console

from heedmap.app.render import figures, wire
from heedmap.app.render.isolate import isolated
from heedmap.app.render.terminal import print_alignment
from heedmap.model.prediction import Axis

LABELS = [
    ("station", "station"),
    ("<0xD8>", "<0xD8>"),
    ("\u0631", "\u2068\u0631\u2069"),  # Arabic
    ("\u0631<0xD8><0xA7>", "\u2068\u0631\u2066<0xD8><0xA7>\u2069\u2069"),
    ("\u05e9\u05dc\u05d5\u05dd", "\u2068\u05e9\u05dc\u05d5\u05dd\u2069"),  # Hebrew
    ("a\u202eb\u2069", "ab"),  # its own marks would reach beyond it
]


@pytest.mark.parametrize(("label", "expected"), LABELS)
def test_a_label_leaves_its_neighbours_alone(label: str, expected: str) -> None:
    assert isolated(label) == expected


def test_figures_isolate_ticks_and_data_does_not() -> None:
    labels = [label for label, _ in LABELS]
    weights = np.zeros((len(labels), len(labels)), np.float32)
    drawn = figures.figure(weights, weights == 0, labels, labels, title="t", axes=("q", "k"))
    for axis in ("xaxis", "yaxis"):
        ticks = drawn["layout"][axis]["ticktext"]
        assert ticks == [expected.replace("<", "&lt;").replace(">", "&gt;") for _, expected in LABELS]
    assert wire.to_csv(weights, labels, labels).decode().startswith(",".join(["query", *labels]))


def test_the_terminal_isolates_words_and_keeps_its_columns() -> None:
    def axis(*labels: str) -> Axis:
        return Axis("text", list(labels), [0] * len(labels), [(0, 0)] * len(labels), [False] * len(labels))

    console = Console(file=io.StringIO(), width=80, color_system=None, highlight=False)
    print_alignment(console, np.eye(2, dtype=np.float32), axis("\u0631", "no"), axis("\u05e9\u05dc", "ja"))
    assert isinstance(console.file, io.StringIO)
    heading, first, second = console.file.getvalue().splitlines()
    assert "\u2068\u05e9\u05dc\u2069" in heading
    assert first.startswith("\u2068\u0631\u2069  \u2190 \u2068\u05e9\u05dc\u2069 100%")
    assert second.startswith("no \u2190 ja 100%")
    assert cell_len(first) == cell_len(second)
