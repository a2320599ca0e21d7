"""Texts that end an output: what ends, what stays in it, and that whoever watches sees the same."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from heedmap.model.contract import Parameters, Request
from heedmap.model.errors import ParameterError
from heedmap.model.load import load
from heedmap.model.stops import SLACK, StopStrings, Unstopped, before_stop
from heedmap.model.trace.identity import content_id
from tests.conftest import write_tiny
from tests.model.hub import checkpoints
from tests.model.watching import Notes

TEXT = "The girl is reading"
LIMIT = 12


def letters(ids: list[int]) -> str:
    return "".join(map(chr, ids))


def test_only_the_end_of_an_output_is_looked_at() -> None:
    stops = StopStrings(["ab", "xyz"], letters)
    words = {"": False, "a": False, "ab": True, "zzab": True, "ab" + "z" * (3 + SLACK): False, "xyzq": True}
    assert {word: stops([ord(sign) for sign in word]) for word in words} == words


def test_a_text_before_its_stop() -> None:
    assert before_stop("one two three", ["three", "two"]) == "one "
    assert before_stop("one", []) == before_stop("one", ["two"]) == "one"


def test_a_growing_text_waits_where_a_stop_may_begin() -> None:
    text = Unstopped(["###", "END"])
    assert [text.add(piece) for piece in ("a#", "#", "b", "E", "NX", "#", "##", "c")] == [
        "a", "", "##b", "", "ENX", "", "", ""
    ]  # fmt: skip
    assert text.stopped
    assert text.rest() == ""
    open_end = Unstopped(["END"])
    assert (open_end.add("the EN"), open_end.rest(), open_end.rest()) == ("the ", "EN", "")
    assert Unstopped([]).add("whole") == "whole"


@pytest.fixture(scope="module", params=["shakespeare", "translator", "gpt2", "marian"])
def model(request: pytest.FixtureRequest, tokenizer: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A model of each engine that writes."""
    folder = tmp_path_factory.mktemp("stops") / request.param
    makers: dict[str, Callable[[], Path]] = {
        "shakespeare": lambda: Path(__file__).parents[2] / "model" / "weights" / "shakespeare",
        "translator": lambda: write_tiny(folder, tokenizer),
        "gpt2": lambda: checkpoints.gpt2(folder),
        "marian": lambda: checkpoints.marian(folder),
    }
    return load(str(makers[request.param]()), "cpu")


def asked(stop: tuple[str, ...] = (), **parameters: Any) -> Request:
    return Request(TEXT, parameters=Parameters(max_new_tokens=LIMIT, stop=stop, **parameters))


def test_an_output_ends_with_the_token_that_shows_a_stop(model: Any) -> None:
    [whole] = model.predict([asked()])
    stop = whole.text[len(whole.text) // 3 :][:2].strip() or "e"
    [cut] = model.predict([asked((stop, "never\0written"))])
    assert stop in cut.text
    assert stop not in cut.text[: -len(cut.tokens[-1]) - len(stop)]
    assert whole.text.startswith(cut.text)
    assert (cut.finish_reason, len(cut.tokens) < len(whole.tokens)) == ("stop", True)
    assert cut.tokens == whole.tokens[: len(cut.tokens)]
    notes = Notes()
    [trace] = model.trace([asked((stop,))], notes)
    assert trace.prediction.text == cut.text == "".join(token.text for token in notes.tokens)
    assert [token.label for token in notes.tokens] == cut.tokens
    [same] = model.predict([asked(("never\0written",))])
    assert (same.text, same.finish_reason) == (whole.text, whole.finish_reason)


def test_beams_with_stops_are_refused_or_end_too(model: Any) -> None:
    [answer] = model.predict([asked((" ",), beam_size=2)])
    if hasattr(model, "network"):
        assert isinstance(answer, ParameterError)
        assert answer.field == "parameters.stop"
    else:
        assert " " not in answer.text.strip() or answer.finish_reason == "stop"


def test_stops_are_a_part_of_what_a_trace_is_of() -> None:
    assert content_id("r", asked()) != content_id("r", asked((".",)))
    assert content_id("r", asked((".",))) == content_id("r", asked((".",)))
