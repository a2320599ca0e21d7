"""A trace, and a clock of the test's, for stores to work with."""

from pathlib import Path

import pytest

from heedmap.model.contract import Parameters, Request
from heedmap.model.load import load
from heedmap.model.trace.trace import Trace
from tests.app.service.stores import Clock


@pytest.fixture(scope="module")
def trace(tiny: Path) -> Trace:
    [recorded] = load(tiny).trace([Request("Wo ist der Bahnhof?", None, Parameters(max_new_tokens=4))])
    assert isinstance(recorded, Trace)
    return recorded


@pytest.fixture
def clock() -> Clock:
    return Clock()
