"""Native models watched while they write: tokens, text and rows are those of the trace."""

from pathlib import Path

import pytest

from heedmap.model.contract import Parameters, Request
from heedmap.model.errors import Cancelled
from heedmap.model.load import load
from tests.model.watching import Notes, check, every_map, watched

WEIGHTS = Path(__file__).resolve().parents[3] / "model" / "weights"
TEXT = "Das Mädchen liest ein schönes Buch über Köln."


@pytest.mark.parametrize("name", ["tiny", "tiny_gru"])
@pytest.mark.parametrize("sampled", [False, True])
def test_a_translation_is_written_as_its_trace_has_it(request: pytest.FixtureRequest, name: str, sampled: bool) -> None:
    model = load(request.getfixturevalue(name))
    maps = every_map(model)
    parameters = Parameters(max_new_tokens=12, do_sample=sampled, seed=3)
    notes, trace = watched(model, Request(TEXT, None, parameters), maps)
    assert list(notes.axes) == ["source"]
    assert len(notes.tokens) > 1
    check(notes, trace, "target", maps)


def test_the_shipped_translator_is_written_as_its_trace_has_it() -> None:
    model = load(WEIGHTS / "de-en")
    maps = every_map(model)
    notes, trace = watched(model, Request("Ich habe gestern ein interessantes Buch gelesen."), maps)
    assert trace.prediction.finish_reason == "stop"
    check(notes, trace, "target", maps)


def test_the_shipped_language_model_is_written_as_its_trace_has_it() -> None:
    model = load(WEIGHTS / "shakespeare")
    maps = every_map(model)
    prompt = "ROMEO:\n" + "But soft, what light through yonder window breaks? " * 4  # over the shortest window
    notes, trace = watched(model, Request(prompt, None, Parameters(max_new_tokens=40)), maps)
    assert list(notes.axes) == ["tokens"]
    assert notes.tokens[0].rows[0].query == len(prompt) - 1, "the row of the prompt's last byte chooses the first"
    check(notes, trace, "tokens", maps)


def test_without_maps_no_rows_are_computed(tiny: Path) -> None:
    notes, trace = watched(load(tiny), Request(TEXT, None, Parameters(max_new_tokens=5)))
    check(notes, trace, "target", [])


@pytest.mark.parametrize("patience", [1, 3])
def test_decoding_stops_within_a_step(tiny: Path, patience: int) -> None:
    notes = Notes(patience=patience)
    with pytest.raises(Cancelled):
        load(tiny).predict([Request(TEXT, None, Parameters(max_new_tokens=50))], notes)
    assert len(notes.tokens) == patience


def test_a_given_target_is_not_written(tiny: Path) -> None:
    notes = Notes()
    load(tiny).predict([Request(TEXT, "The girl is reading.")], notes)
    assert notes.tokens == []
