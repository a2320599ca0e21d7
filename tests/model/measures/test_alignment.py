"""The one best head, with values worked by hand."""

import subprocess
import sys

import numpy as np
import pytest

from heedmap.model.measures.alignment import MOST_CELLS, alignment_scores, best_aligning, sharpest, too_many
from heedmap.model.prediction import Axis


def axis(*labels: str) -> Axis:
    """An axis with these labels; what stands in angle brackets is special."""
    special = [label.startswith("<") for label in labels]
    return Axis("text", list(labels), list(range(len(labels))), [(0, 0)] * len(labels), special)


WORDS = axis("<s>", "▁a", "▁b", "</s>")
ALIGNED = np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]], np.float32)


def test_a_score_is_sharp_times_coverage_times_order() -> None:
    sink = np.tile(np.array([0, 0, 0, 1], np.float32), (4, 1))
    even = np.full((4, 4), 0.25, np.float32)
    swapped = ALIGNED[[0, 2, 1, 3]]
    one = np.tile(np.array([0, 1, 0, 0], np.float32), (4, 1))
    scores = alignment_scores(np.stack([ALIGNED, sink, even, swapped, one]), WORDS, WORDS)
    # of two rows and keys; out of order is half a sentence away: 1 - 2 * 0.5
    np.testing.assert_allclose(scores, [1 * 1 * 1, 0, 0.25 * 0.5 * 0.5, 1 * 1 * 0, 1 * 0.5 * 0.5], atol=1e-6)


def test_special_tokens_have_no_rows_and_no_keys_and_no_places() -> None:
    leading = axis("<s>", "<de>", "▁a", "▁b")
    maps = np.array([[[0, 0, 0, 1], [0, 0, 0, 1], [0.4, 0, 0.6, 0], [0, 0.3, 0, 0.7]]], np.float32)
    np.testing.assert_allclose(alignment_scores(maps, leading, leading), [0.65], atol=1e-6)
    assert alignment_scores(maps, leading, axis("<a>", "<b>", "<c>", "<d>")).tolist() == [0]


def test_of_equals_the_first_is_chosen() -> None:
    scores = [np.array([0.1, 0.5]), np.array([0.5, 0.2])]
    assert best_aligning(scores) == (0, 1)


def test_the_sharpest_looks_at_no_sink_and_not_at_itself() -> None:
    def row(layer: int, head: int, largest: float, sink: float = 0.0, diagonal: float = 0.0) -> dict[str, float]:
        return {"layer": layer, "head": head, "max": largest, "sink": sink, "diagonal": diagonal}

    rows = [row(0, 0, 1.0), row(1, 0, 0.9, sink=0.9), row(1, 1, 0.4), row(1, 2, 0.95, diagonal=0.9)]
    assert sharpest(rows) == (1, 1)


def test_maps_over_the_limit_are_too_many() -> None:
    assert not too_many(1, 1, (MOST_CELLS // 2, 2))
    assert too_many(1, 2, (MOST_CELLS // 2, 2))


@pytest.mark.parametrize("module", ["heedmap.model.measures.alignment"])
def test_a_client_without_pytorch_chooses_too(module: str) -> None:
    hidden = "torch", "pydantic", "jaxtyping", "rich", "transformers"
    code = f"import sys\nfor name in {hidden}: sys.modules[name] = None\nimport {module}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
