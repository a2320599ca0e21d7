"""A generator elsewhere writes, and the pass recorded here is that of what it wrote."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from heedmap.model.errors import CheckpointError, GeneratorFailure, ModelFailure, ParameterError
from heedmap.model.generator import Continuation, Generator
from heedmap.model.hub.completions import Completions
from heedmap.model.load import load
from heedmap.model.trace.trace import Trace
from tests.live import environment, free_port
from tests.model.hub import checkpoints
from tests.model.hub.serving import request
from tests.model.watching import Notes

TEXT = "The girl is reading"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkpoints.gpt2(tmp_path_factory.mktemp("completions") / "gpt2")


@pytest.fixture(scope="module", params=["ids", "no-ids"])
def url(folder: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    port = free_port()
    command = [sys.executable, "-m", "tests.model.hub.completions_server", str(folder), str(port), request.param]
    process = subprocess.Popen(command, env=environment())
    try:
        until = time.monotonic() + 120
        while True:
            try:
                httpx.get(f"http://127.0.0.1:{port}/v1/models")
                break
            except httpx.TransportError:
                assert process.poll() is None
                assert time.monotonic() < until
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture
def request_of(request: pytest.FixtureRequest) -> pytest.FixtureRequest:
    return request


def test_what_it_writes_is_what_is_recorded(folder: Path, url: str, request_of: pytest.FixtureRequest) -> None:
    alone, elsewhere = load(folder), load(f"{folder}?generator={url}")
    told = "no-ids" not in request_of.node.name
    asked = request(TEXT, max_new_tokens=8)
    [expected] = alone.trace([asked if told else request(TEXT, " a book")])
    [trace] = elsewhere.trace([asked])
    assert isinstance(trace, Trace), trace
    assert trace.prediction.text == expected.prediction.text
    assert trace.prediction.finish_reason == "length"
    assert trace.prediction.axes == expected.prediction.axes
    assert trace.prediction.score == pytest.approx(expected.prediction.score, abs=1e-4)
    assert trace.certificate.max_error < 1e-4
    generator = {"kind": "openai-completions", "server": url.removesuffix("/v1")}
    assert elsewhere.describe()["generation"]["generator"] == generator


def test_a_watch_is_told_of_its_tokens(folder: Path, url: str) -> None:
    notes = Notes()
    [prediction] = load(f"{folder}?generator={url}").predict([request(TEXT, max_new_tokens=8)], notes)
    assert "".join(token.text for token in notes.tokens) == prediction.text
    assert [token.id for token in notes.tokens] == prediction.axes["tokens"].ids[-len(notes.tokens) :]


def test_a_stop_ends_what_it_writes(folder: Path, url: str) -> None:
    elsewhere = load(f"{folder}?generator={url}")
    [whole] = elsewhere.predict([request(TEXT, max_new_tokens=8)])
    stop = whole.text.strip()[2:4]
    [cut] = elsewhere.predict([request(TEXT, max_new_tokens=8, stop=(stop,))])
    assert stop in cut.text
    assert whole.text.startswith(cut.text)
    assert cut.text != whole.text
    assert cut.finish_reason == "stop"


def test_a_given_output_and_beams_do_not_reach_it(folder: Path) -> None:
    model = load(f"{folder}?generator=http://127.0.0.1:9/v1")
    [given, beams, lost] = model.predict(
        [request(TEXT, " a book."), request(TEXT, beam_size=2), request(TEXT, max_new_tokens=3)]
    )
    assert given.text == " a book."
    assert isinstance(beams, ParameterError)
    assert beams.field == "parameters.beam_size"
    assert isinstance(lost, ModelFailure)
    assert isinstance(lost.__cause__, GeneratorFailure)


class Writer:
    """Writes one thing."""

    def __init__(self, continuation: Continuation) -> None:
        self.continuation = continuation

    def describe(self) -> dict[str, str]:
        return {}

    def write(self, *_: object) -> Continuation:
        return self.continuation


@pytest.mark.parametrize(
    ("continuation", "said"),
    [
        (Continuation(" a book.", "stop", [5, 6, 7]), "same checkpoint"),
        (Continuation("a \ufffd", "stop"), "only ids say which"),
    ],
)
def test_what_this_model_cannot_have_written_is_refused(folder: Path, continuation: Continuation, said: str) -> None:
    model = load(folder)
    model.runner.generator = Writer(continuation)
    assert isinstance(model.runner.generator, Generator)
    [refused] = model.predict([request(TEXT, max_new_tokens=3)])
    assert isinstance(refused, ModelFailure)
    assert isinstance(refused.__cause__, GeneratorFailure)
    assert said in str(refused.__cause__)


def test_addresses_and_tasks_that_cannot_be_are_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="reads like http"):
        Completions("file:///etc/passwd")
    with pytest.raises(CheckpointError, match="continues texts"):
        load(f"{checkpoints.bert(tmp_path / 'bert', 'masked')}?generator=http://127.0.0.1:9/v1")
