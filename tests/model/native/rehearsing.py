"""Static steps run as a capture would run them, and what is written with them beside what is written without."""

from collections.abc import Callable, Hashable, Sequence
from typing import Any

import pytest
from torch import Tensor

from heedmap.model.contract import Prediction
from heedmap.model.native.graphs import rehearse


class Rehearsing:
    """Runs a new step in vain first, as a capture does, and keeps what was asked for."""

    def __init__(self) -> None:
        self.keys: list[Hashable] = []

    def __call__(self, key: Hashable, step: Callable[[], None], moving: Sequence[Tensor]) -> None:
        if key not in self.keys:
            self.keys.append(key)
            rehearse(step, moving)
        step()


def with_and_without(model: Any, run: Callable[[], Any]) -> tuple[Any, Any]:
    got = run()
    model.reserve, reserve = None, model.reserve
    expected = run()
    model.reserve = reserve
    return got, expected


def alike(got: Any, expected: Any) -> None:
    assert isinstance(got, Prediction), got
    assert (got.text, got.axes, got.finish_reason) == (expected.text, expected.axes, expected.finish_reason)
    assert got.score == pytest.approx(expected.score, abs=1e-4, rel=1e-5)
