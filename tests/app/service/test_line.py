"""Callers take turns by the time that each has had; what a call waits for is known before it waits."""

import math
import time
from collections.abc import Sequence
from typing import Any

from heedmap.app.errors import Overloaded, RateLimited, TooLarge
from heedmap.app.service.admission import Admission
from heedmap.app.service.call import Call
from heedmap.app.service.line import Line
from heedmap.app.service.rate import Rate


def nothing(items: Sequence[Any], stop: Any) -> list[Any]:
    return []


def call(caller: str, *, key: Any = None, items: int = 1, seconds: float = 1.0, **more: Any) -> Call:
    deadline = more.pop("deadline", math.inf)
    return Call(nothing, [0] * items, key, deadline, caller, seconds=seconds, **more)


def test_who_asks_much_waits_for_who_asks_little() -> None:
    line, order = Line(), []
    for caller in ("rude", "rude", "rude", "kind", "kind"):
        line.add(call(caller))
    while len(line):
        [next_call] = line.take(1, lambda call: True)
        order.append(next_call.caller)
        line.charge(next_call.caller, 5.0 if next_call.caller == "rude" else 1.0)
    assert order == ["rude", "kind", "kind", "rude", "rude"]


def test_who_comes_later_starts_where_the_line_stands() -> None:
    line = Line()
    line.add(call("old"))
    line.charge(line.take(1, lambda call: True)[0].caller, 100.0)
    line.add(call("old"))
    line.take(1, lambda call: True)
    line.charge("old", 1.0)
    line.add(call("new"))
    line.add(call("old"))
    assert [line.take(1, lambda call: True)[0].caller for _ in range(2)] == ["new", "old"]


def test_a_batch_is_of_one_kind_and_of_many_callers() -> None:
    line = Line()
    for caller in ("a", "a", "a", "b"):
        line.add(call(caller, key="de-en"))
    line.add(call("c", key="other"))
    batch = line.take(3, lambda call: True)
    assert [each.caller for each in batch] == ["a", "a", "b"]
    assert (len(line), line.callers) == (2, 2)


def test_work_under_way_is_joined_unless_it_is_anothers_turn() -> None:
    line, first = Line(), call("a", key="de-en")
    assert line.join(first, 4) == []
    for caller in ("a", "b", "b"):
        line.add(call(caller, key="de-en"))
    assert [each.caller for each in line.join(first, 2)] == ["a", "b"]
    line.add(call("c", key="other"))
    line.charge("b", 1.0)
    assert line.join(first, 4) == [], "c has had nothing yet"
    line.charge("c", 2.0)
    assert [each.caller for each in line.join(first, 4)] == ["b"]
    assert len(line) == 1


def test_what_is_in_use_is_passed_over() -> None:
    line = Line()
    line.add(call("a", exclusive="model"))
    line.add(call("b"))
    assert [each.caller for each in line.take(1, lambda call: call.exclusive is None)] == ["b"]
    assert line.take(1, lambda call: call.exclusive is None) == []


def test_others_take_their_turns_and_no_more_before_a_new_call() -> None:
    line = Line()
    for _ in range(10):
        line.add(call("rude"))
    assert line.ahead("kind", 2.0) == 2.0
    assert line.ahead("rude", 2.0) == 10.0


def test_what_cannot_be_done_in_time_is_refused_at_once() -> None:
    line = Line()
    door = Admission(line, limit=8, deadline=10.0)
    for _ in range(3):
        line.add(call("b", seconds=2.0))
    door.rate.note("work", 1.0, 2.0)
    late = call("a", cost=1.0, kind="work", deadline=time.monotonic() + 3.0)
    refusal = door.refusal(late, full=False, running=0.0)
    assert refusal is not None
    assert (refusal[0], type(refusal[1]), refusal[1].headers["Retry-After"]) == ("deadline", Overloaded, "3")
    assert door.refusal(call("a", kind="work", deadline=time.monotonic() + 5.0), full=False, running=0.0) is None
    cause = door.refusal(call("a", cost=30.0, kind="work", deadline=time.monotonic() + 10.0), full=False, running=0.0)
    assert cause is not None
    assert isinstance(cause[1], TooLarge)


def test_an_idle_worker_tries_what_it_was_slow_at() -> None:
    door = Admission(Line(), limit=8, deadline=10.0)
    door.rate.note("work", 1.0, 9.0)
    assert door.refusal(call("a", kind="work", deadline=time.monotonic() + 1.0), full=False, running=0.0) is None


def test_nobody_fills_the_line_alone() -> None:
    line = Line()
    door = Admission(line, limit=16, deadline=10.0)
    for _ in range(14):
        assert door.refusal(call("rude", deadline=time.monotonic() + 9), full=False, running=0.0) is None
        line.add(call("rude", seconds=0.0))
    mine = door.refusal(call("rude", deadline=time.monotonic() + 9), full=False, running=0.0)
    assert mine is not None
    assert isinstance(mine[1], RateLimited)
    assert door.refusal(call("kind", deadline=time.monotonic() + 9), full=False, running=0.0) is None


def test_the_rate_is_that_of_late() -> None:
    rate = Rate()
    assert rate.seconds("a", 100.0) == 0.0
    for _ in range(50):
        rate.note("a", 10.0, 10.0)
    for _ in range(50):
        rate.note("a", 10.0, 1.0)
    assert 0.1 < rate.seconds("a", 1.0) < 0.11
    assert rate.seconds("b", 1.0) == 0.0
