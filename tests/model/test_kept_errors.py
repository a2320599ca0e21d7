"""Errors that are kept hold nothing but themselves: no frames, no texts, no bodies."""

import gc
import weakref
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from heedmap.model.contract import Request
from heedmap.model.errors import STACK, EmptyInput, HeedmapError, ModelFailure, detached, stack_of
from heedmap.model.isolation import failure, isolated
from heedmap.model.load import load


class Large:
    """Something that a frame holds."""


@pytest.fixture
def uncollected() -> Iterator[None]:
    """The garbage collector rests: what is freed, is freed at once."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize("kind", [EmptyInput, KeyError])
@pytest.mark.usefixtures("uncollected")
def test_a_kept_error_frees_what_its_frames_held(kind: type[Exception]) -> None:
    watched: list[weakref.ref[Large]] = []

    def refused(items: Sequence[int]) -> list[Any]:
        large = Large()
        watched.append(weakref.ref(large))
        try:
            raise LookupError("of a library")
        except LookupError as error:
            raise kind(f"{len(items)} items") from error

    kept = isolated(refused, [1, 2])
    assert all(isinstance(error, HeedmapError) for error in kept)
    assert [reference() for reference in watched] == [None, None, None]


def test_a_model_failure_keeps_its_cause_and_where_it_was_as_text() -> None:
    def broken(items: Sequence[int]) -> list[Any]:
        return [1 // item for item in items]

    [failed] = isolated(broken, [0])
    assert isinstance(failed, ModelFailure)
    assert isinstance(failed.__cause__, ZeroDivisionError)
    assert (failed.__traceback__, failed.__cause__.__traceback__) == (None, None)
    assert "in broken" in str(failed.stack)
    assert failure(failed) is failed
    assert isinstance(failed.__cause__, ZeroDivisionError)


def test_a_stack_is_short_however_deep() -> None:
    def deeper(depth: int) -> None:
        if not depth:
            raise ValueError("x" * 100_000)
        deeper(depth - 1)

    with pytest.raises(ValueError, match="x") as raised:
        deeper(500)
    said = stack_of(raised.value)
    assert len(said) < STACK + 20
    assert said.startswith("Traceback")
    assert detached(raised.value).__traceback__ is None


@pytest.mark.usefixtures("uncollected")
@pytest.mark.parametrize("method", ["predict", "trace"])
def test_texts_that_are_too_long_keep_nothing(tiny: Any, monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    model: Any = load(str(tiny))
    watched: list[weakref.ref[Large]] = []
    plain = type(model)._encode

    def watching(self: Any, text: str, field: str) -> Any:
        large = Large()
        watched.append(weakref.ref(large))
        return plain(self, text, field) or large

    monkeypatch.setattr(type(model), "_encode", watching)
    kept = getattr(model, method)([Request("word " * 2000)] * 3)
    assert len(kept) == 3
    assert [reference() for reference in watched] == [None, None, None]
