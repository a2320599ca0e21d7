"""Log lines: bounded, however much a caller sent and however deep a stack is; named; and never in an answer's way."""

import json
import logging
import os
import subprocess
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from heedmap.app import ticket
from heedmap.app.http.logs import LINE, LONGEST, OUTPUT, bounded, configure_logging, take_over
from heedmap.app.ticket import RequestInfo

log = structlog.get_logger("heedmap")


@pytest.fixture
def configured() -> Iterator[None]:
    """The tests' own configuration of the log afterwards."""
    before, root, raising = structlog.get_config(), logging.getLogger().handlers, logging.raiseExceptions
    yield
    structlog.configure(**before)
    logging.getLogger().handlers, logging.raiseExceptions = root, raising
    logging.captureWarnings(capture=False)


def deeper(depth: int) -> None:
    if not depth:
        raise ValueError("x" * 200_000)
    deeper(depth - 1)


@pytest.mark.usefixtures("configured")
@pytest.mark.parametrize("form", ["json", "console"])
def test_a_line_is_bounded(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(form)
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


class Talkative:
    def __repr__(self) -> str:
        return "\0" * 100_000


BIG: dict[str, dict[str, Any]] = {
    "many values": {f"value{index}": "x" * 5_000 for index in range(50)},
    "many names": {f"name{index}" * 500: index for index in range(1_000)},
    "signs that are escaped": {"a": "\0" * 50_000, "b": "\U0001f600" * 50_000, "c": '"' * 50_000},
    "many brief texts that are escaped": {f"v{index}": "\U0001f600" * 180 for index in range(19)},
    "a list": {"a": ["x" * 100] * 10_000},
    "nested": {"a": {"b": {"c": {"d": {"e": ["x" * 50_000]}}}}},
    "wide and nested": {"a": [[["x" * 100] * 100] * 100] * 100},
    "a number": {"a": 10**20_000, "b": float("nan")},
    "bytes": {"a": b"\0" * 1_000_000},
    "an object": {"a": Talkative(), "b": {Talkative()}},
}


@pytest.mark.usefixtures("configured")
@pytest.mark.parametrize("name", BIG)
def test_a_whole_line_is_bounded_and_json_and_says_what_happened(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("json")
    log.info("event_name", **BIG[name])
    said = capsys.readouterr().out
    assert len(said.encode()) < LINE + 1_000
    line = json.loads(said, parse_constant=lambda constant: pytest.fail(f"{constant} is no JSON"))
    assert (line["event"], line["level"]) == ("event_name", "info")


def test_an_ordinary_line_stays_as_it_is() -> None:
    line = {"event": "request", "path": "/v1/models", "status": 200, "milliseconds": 1.5, "more": ["a", {"b": None}]}
    assert bounded(None, "info", dict(line)) == line


@pytest.mark.usefixtures("configured")
def test_what_libraries_and_warnings_say_are_lines_with_the_requests_id(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("json")
    take_over("json")
    with ticket.answering(RequestInfo(("one",))):
        logging.getLogger("uvicorn.error").error("it said %s", "this", extra={"color_message": "\x1b[1mit\x1b[0m"})
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            logging.captureWarnings(capture=False)
            logging.captureWarnings(capture=True)  # which pytest's own has replaced
            warnings.warn("careful", stacklevel=1)
        try:
            raise ValueError("y" * 100_000)
        except ValueError:
            logging.getLogger("library").exception("failed")
    said, warned, failed = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert (said["event"], said["level"], said["logger"]) == ("it said this", "error", "uvicorn.error")
    assert "color_message" not in said
    assert "careful" in warned["event"]
    assert failed["exception"].startswith("Traceback")
    assert len(json.dumps(failed)) < LINE
    assert {line["request_id"] for line in (said, warned, failed)} == {"one"}


@pytest.mark.usefixtures("configured")
def test_a_batch_names_all_of_its_requests(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("json")
    with ticket.answering(RequestInfo(("one", "two"))):
        log.info("event")
    assert json.loads(capsys.readouterr().out)["request_ids"] == ["one", "two"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="only Linux has a disk that is always full")
def test_a_full_disk_or_a_closed_output_loses_lines_and_no_answer() -> None:
    program = (
        "import sys, structlog, logging\n"
        "from heedmap.app.http.logs import configure_logging, take_over\n"
        "configure_logging('json'); take_over('json')\n"
        "log = structlog.get_logger('heedmap')\n"
        "log.info('lost'); logging.getLogger('library').error('lost')\n"
        "sys.stdout.close(); log.info('lost'); logging.getLogger('library').error('lost')\n"
        "sys.stdout = None; log.info('lost'); logging.getLogger('library').error('lost')\n"
        "sys.stderr.write('answered')\n"
    )
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, "-c", program], stdout=full, stderr=subprocess.PIPE, check=False)
    assert (done.returncode, done.stderr) == (0, b"answered")


def test_an_output_that_is_gone_takes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    assert OUTPUT.write("nobody reads this") == 0
