"""A running batch: who joins and when changes nothing of what he gets, and the batch keeps no more than it needs."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
import torch

from heedmap.model.contract import Joinable, Parameters, Prediction, Request, Session
from heedmap.model.errors import InputError
from heedmap.model.load import load
from heedmap.model.native import continuous
from heedmap.model.native.continuous import TranslatorSession
from heedmap.model.native.translator import Translator

ROOT = Path(__file__).resolve().parents[3]
SENTENCES = [
    json.loads(line)["source"]
    for line in (ROOT / "tests" / "data" / "de-en" / "test.jsonl").read_text().splitlines()[:60]
]


@pytest.fixture(scope="module")
def translator() -> Any:
    return load(ROOT / "model" / "weights" / "de-en")


def finish(session: TranslatorSession) -> dict[int, Any]:
    outcomes: dict[int, Any] = {}
    while session.busy:
        outcomes |= dict(session.step())
    return outcomes


def same(joined: Any, alone: Any) -> None:
    assert isinstance(joined, Prediction), joined
    assert joined.axes == alone.axes
    assert (joined.text, joined.tokens, joined.finish_reason) == (alone.text, alone.tokens, alone.finish_reason)
    assert joined.score == pytest.approx(alone.score, abs=1e-4, rel=1e-5)


def request(text: str, draw: random.Random) -> Request:
    """Greedy, sampled or short."""
    kinds: list[dict[str, Any]] = [
        {},
        {"max_new_tokens": 5},
        {"do_sample": True, "seed": draw.randrange(99), "top_k": 20},
    ]
    return Request(text, None, Parameters(**draw.choice(kinds)))


@pytest.mark.parametrize("seed", [0, 1])
def test_whoever_joins_whenever_gets_what_he_gets_alone(translator: Translator, seed: int) -> None:
    draw = random.Random(seed)
    waiting = [request(text, draw) for text in draw.sample(SENTENCES, 30)]
    session, requests, outcomes = translator.session(), dict[int, Request](), dict[int, Any]()
    assert isinstance(translator, Joinable)
    assert isinstance(session, Session)
    while waiting or session.busy:
        for _ in range(draw.choice([0, 0, 1, 3])):
            if waiting:
                asked = waiting.pop()
                requests[session.add(asked)] = asked
        outcomes |= dict(session.step())
    assert outcomes.keys() == requests.keys()
    for ticket, asked in requests.items():
        same(outcomes[ticket], translator.predict([asked])[0])


def test_a_batch_that_never_empties_keeps_no_columns_of_those_who_left(tiny: Path) -> None:
    session = load(tiny).session()
    for number in range(120):  # of twelve tokens each, three steps apart
        session.add(Request(SENTENCES[number % len(SENTENCES)], None, Parameters(max_new_tokens=12)))
        for _ in range(3):
            session.step()
    assert len(session._rows) < 12
    assert session._state.length < 40, "the columns that only those saw who left are gone"
    assert session._state.room() < 140
    finish(session)
    session.step()
    assert session._state is None


def test_what_cannot_be_read_fails_alone(tiny: Path) -> None:
    session = load(tiny).session()
    sound, empty, long = (session.add(Request(text)) for text in ("Wo ist er?", " ", "Wort " * 600))
    outcomes = finish(session)
    assert isinstance(outcomes[sound], Prediction)
    assert isinstance(outcomes[empty], InputError)
    assert isinstance(outcomes[long], InputError)


def test_who_is_dropped_takes_no_step_more(tiny: Path) -> None:
    session = load(tiny).session()
    first, second = (session.add(Request(text, None, Parameters(max_new_tokens=30))) for text in SENTENCES[:2])
    session.step()
    session.drop(first)
    third = session.add(Request(SENTENCES[2], None, Parameters(max_new_tokens=3)))
    session.drop(third)
    assert session.running == 1
    assert set(finish(session)) == {second}


def test_there_is_room_until_there_is_none(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(continuous, "ROWS", 2)
    model = load(tiny)
    session = TranslatorSession(model, model.engine, 2)
    assert session.room == 2
    session.add(Request("Wo ist er?", None, Parameters(max_new_tokens=2)))
    session.add(Request("Wo ist sie?", None, Parameters(max_new_tokens=4)))
    assert session.room == 0
    session.step()
    session.step()
    assert session.room == 1


def test_beams_and_given_outputs_do_not_join(tiny: Path, tiny_gru: Path) -> None:
    session = load(tiny).session()
    assert session.takes(Request("a"))
    assert not session.takes(Request("a", "b"))
    assert not session.takes(Request("a", None, Parameters(beam_size=2)))
    assert not session.takes(Request("a", None, Parameters(prefix="b")))
    assert load(tiny_gru).session() is None


def test_a_hidden_column_that_is_no_number_hides_nothing(tiny: Path) -> None:
    model = load(tiny)
    early = model.started([[5, 6, 2]])
    with torch.inference_mode():
        for token in (2, 7, 9):
            model.engine.decode(torch.tensor([[token]]), early)
        for cache in early.caches:
            cache[:, early.length :] = torch.nan
        early.join(model.started([[8, 2]]))
        logits = model.engine.decode(torch.tensor([[4], [2]]), early)[:, -1]
        alone = model.engine.decode(torch.tensor([[2]]), model.started([[8, 2]]))[0, -1]
    torch.testing.assert_close(logits[1], alone, atol=1e-5, rtol=0)
