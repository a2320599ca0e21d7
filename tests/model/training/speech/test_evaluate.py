"""Word errors and seconds by hand."""

import numpy as np
import pytest

from heedmap.model.prediction import Axis
from heedmap.model.training.speech.evaluate import chances, row_second, word_errors
from heedmap.model.training.speech.strings import Spoken


@pytest.mark.parametrize(
    ("said", "heard", "errors"),
    [
        ("one two three", "one two three", 0),
        ("one two three", "one three", 1),
        ("one two three", "one four three", 1),
        ("one two three", "zero one two three", 1),
        ("one two three", "", 3),
        ("", "yes no", 2),
        ("one two three four", "two three five four", 2),
    ],
)
def test_word_errors(said: str, heard: str, errors: int) -> None:
    assert word_errors(said.split(), heard.split()) == errors


def test_the_second_of_a_row() -> None:
    axis = Axis(
        "audio", ["a", "b", "c"], [-1] * 3, [(0, 0)] * 3, [False] * 3, seconds=[(0.0, 0.2), (0.2, 0.4), (0.4, 0.6)]
    )
    row = np.array([0.2, 0.5, 0.3])
    assert row_second(row, axis, "peak") == pytest.approx(0.3)
    assert row_second(row, axis, "mean") == pytest.approx(0.2 * 0.1 + 0.5 * 0.3 + 0.3 * 0.5)


def test_guesses_of_a_word_in_a_recording_of_two_seconds() -> None:
    spoken = Spoken(np.zeros(16_000), ["go", "no"], [(0.3, 0.7), (1.0, 2.0)])
    # The middles are 0.5 and 1.5; evenly drawn: (0.25 + 2.25) / 4; shares of the time: 0.5 and 1.5.
    assert chances(spoken) == [pytest.approx((0.625, 0.0)), pytest.approx((0.625, 0.0))]
    late = Spoken(np.zeros(16_000), ["go"], [(1.6, 2.0)])
    assert chances(late) == [pytest.approx(((1.8**2 + 0.2**2) / 4, 0.8))]
