"""Calls that join a running batch: each has its own answers, whoever fails, leaves or comes late."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from heedmap.app.errors import WorkerStopped
from heedmap.app.service.continuous import Continuous, joinable
from heedmap.model.contract import Parameters, Prediction, Request
from heedmap.model.errors import Cancelled, EmptyInput
from heedmap.model.load import load
from heedmap.model.native.inference import InferenceTransformer

TEXTS = ["Wo ist der Bahnhof?", "Ich habe heute keine Zeit.", "Das Mädchen liest.", "Er kostet 12 Euro."]


class Call:
    """What a worker has of a caller."""

    def __init__(self, *items: Request, gone: Callable[[], bool] = lambda: False) -> None:
        self.items, self.gone = items, gone
        self.outcomes: list[Any] = []

    @property
    def settled(self) -> bool:
        return bool(self.outcomes)

    def over(self) -> bool:
        return self.gone()

    def settle(self, result: Any = None, *, error: BaseException | None = None) -> None:
        self.outcomes.append(error if error is not None else result)


class Line:
    """Calls that come one at a step."""

    def __init__(self, *calls: Call) -> None:
        self.calls, self.asked = list(calls), 0

    def __call__(self, most: int) -> Sequence[Call]:
        self.asked += 1
        return [self.calls.pop(0)] if self.calls and len(self.calls[0].items) <= most else []


def never() -> bool:
    return False


def request(text: str, tokens: int = 8, **parameters: Any) -> Request:
    return Request(text, None, Parameters(max_new_tokens=tokens, **parameters))


def check(model: Any, *calls: Call) -> None:
    for call in calls:
        [outcomes] = call.outcomes
        for item, outcome in zip(call.items, outcomes, strict=True):
            [alone] = model.predict([item])
            assert isinstance(outcome, Prediction), outcome
            assert (outcome.text, outcome.axes) == (alone.text, alone.axes)
            assert outcome.score == pytest.approx(alone.score, abs=1e-4)


def test_late_ones_join_and_each_has_its_own(tiny: Path) -> None:
    model = load(tiny)
    first, second = Call(request(TEXTS[0], 12)), Call(request(TEXTS[1], 3), request(TEXTS[2], 9))
    third = Call(request(TEXTS[3], do_sample=True))
    Continuous(model).serve([first], Line(second, third), never)
    check(model, first, second, third)


def test_what_cannot_be_answered_fails_alone(tiny: Path) -> None:
    model = load(tiny)
    sound, broken = Call(request(TEXTS[0])), Call(request(" "), request(TEXTS[1]))
    Continuous(model).serve([sound, broken], Line(), never)
    check(model, sound)
    assert isinstance(broken.outcomes[0][0], EmptyInput)
    assert isinstance(broken.outcomes[0][1], Prediction)


def test_who_has_gone_is_dropped_and_the_others_go_on(tiny: Path) -> None:
    model, line = load(tiny), Line()
    leaving = Call(request(TEXTS[0], 400), gone=lambda: line.asked > 2)
    staying = Call(request(TEXTS[1], 12))
    Continuous(model).serve([leaving, staying], line, never)
    assert isinstance(leaving.outcomes[0], Cancelled)
    check(model, staying)
    assert line.asked < 20


def test_a_worker_that_stops_settles_everybody(tiny: Path) -> None:
    line, calls = Line(), [Call(request(text, 400)) for text in TEXTS]
    Continuous(load(tiny)).serve(calls, line, lambda: line.asked > 2)
    assert [type(call.outcomes[0]) for call in calls] == [Cancelled] * 4
    assert line.asked == 3


def test_a_step_that_fails_is_made_up_for_one_by_one(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, original = load(tiny), InferenceTransformer.decode

    def fails(self: InferenceTransformer, ids: Any, *rest: Any) -> Any:
        if len(ids) > 1:
            raise RuntimeError("too many")
        return original(self, ids, *rest)

    calls = [Call(request(text)) for text in TEXTS]
    monkeypatch.setattr(InferenceTransformer, "decode", fails)
    Continuous(model).serve(calls, Line(), never)
    check(model, *calls)


def test_an_exit_leaves_nobody_waiting(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def leaves(*rest: Any) -> Any:
        raise SystemExit

    monkeypatch.setattr(InferenceTransformer, "decode", leaves)
    calls = [Call(request(text)) for text in TEXTS]
    with pytest.raises(SystemExit):
        Continuous(load(tiny)).serve(calls, Line(), never)
    assert [type(call.outcomes[0]) for call in calls] == [WorkerStopped] * 4


def test_what_cannot_join_is_known_before(tiny: Path, tiny_gru: Path) -> None:
    model = load(tiny)
    assert joinable(model, [request(TEXTS[0]), request(TEXTS[1], 3)])
    assert not joinable(model, [request(TEXTS[0]), request(TEXTS[1], beam_size=3)])
    assert not joinable(model, [Request(TEXTS[0], "Where?")])
    assert not joinable(load(tiny_gru), [request(TEXTS[0])])
