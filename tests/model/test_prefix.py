"""The beginning of an output: what is taken for one, and what is refused with the field at fault."""

from typing import Any

import pytest

from heedmap.model.contract import Parameters
from heedmap.model.errors import InputError, InputTooLong, ParameterError
from heedmap.model.prefix import check_prefix, check_room, prefix_ids


def ids_of(prefix: str | list[int] | None, target: str | None = None) -> list[int]:
    return prefix_ids(prefix, target, lambda text: [ord(c) - 96 for c in text], 10, ends=(2,), never=(1,))


def test_a_text_and_ids_begin_an_output() -> None:
    assert ids_of(None) == []
    assert ids_of("cd") == [3, 4]
    assert ids_of([3, 4]) == [3, 4]
    assert ids_of([3, 2]) == [3, 2], "an end token may be the last"
    assert Parameters(prefix=[3, 4]).prefix == (3, 4)
    assert hash(Parameters(prefix=[3])) == hash(Parameters(prefix=(3,)))


@pytest.mark.parametrize(
    ("prefix", "target", "field", "says"),
    [
        ([3, 10], None, "parameters.prefix.1", "no token 10"),
        ([1], None, "parameters.prefix.0", "no token 1"),
        ([2, 3], None, "parameters.prefix.0", "nothing follows"),
        ("c", "d", "parameters.prefix", "given whole"),
    ],
)
def test_what_cannot_begin_an_output_is_refused(prefix: Any, target: str | None, field: str, says: str) -> None:
    with pytest.raises(ParameterError, match=says) as caught:
        ids_of(prefix, target)
    assert caught.value.field == field


@pytest.mark.parametrize(("value", "field"), [("", None), ([], None), ([3, "a"], "1"), ([True], "0"), ([-1], "0")])
def test_what_is_no_beginning_is_refused(value: Any, field: str | None) -> None:
    with pytest.raises(InputError) as caught:
        check_prefix(value)
    assert caught.value.field == field


def test_a_beginning_leaves_room_for_a_token() -> None:
    check_room([1, 2], 3)
    check_room([1, 2], None)
    check_room([], 0)
    with pytest.raises(InputTooLong, match="room for 2"):
        check_room([1, 2], 2)
