"""Log lines: bounded, however much a caller sent and however deep a stack is."""

import json
from collections.abc import Iterator

import pytest
import structlog

from heedmap.app.http.observe import LONGEST, configure_logging


@pytest.fixture
def configured() -> Iterator[None]:
    """The tests' own configuration of the log afterwards."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)


def deeper(depth: int) -> None:
    if not depth:
        raise ValueError("x" * 200_000)
    deeper(depth - 1)


@pytest.mark.usefixtures("configured")
@pytest.mark.parametrize("form", ["json", "console"])
def test_a_line_is_bounded(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(form)
    log = structlog.get_logger("heedmap")
    try:
        deeper(300)
    except ValueError:
        log.exception("unexpected_error", path="/" + "y" * 100_000)
    said = capsys.readouterr().out
    assert LONGEST < len(said) < 3 * LONGEST
    assert "Traceback" in said
    assert "[...]" in said
    if form == "json":
        assert len(json.loads(said)["exception"]) < LONGEST + 10
