"""The beginning of an output that generation goes on from: `parameters.prefix`, a text or the ids of its tokens."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

from heedmap.model.errors import InputTooLong, ParameterError

FIELD = "parameters.prefix"
MOST = 32_768  # tokens, as of an output
CHARACTERS = 8 * MOST  # of a text: prose has three to five a token


def check_prefix(value: Any) -> str | tuple[int, ...] | None:
    """A text that says something, ids, or neither.

    Raises:
        ParameterError: it is something else. InputTooLong: there is too much of it.
    """
    if value is None:
        return None
    if isinstance(value, str):
        if not value:
            raise ParameterError("the beginning is empty: leave it out, and the model begins by itself")
        if len(value) > CHARACTERS:
            raise InputTooLong(f"the beginning has {len(value):,} characters, at most {CHARACTERS:,} are read")
        return value
    if not isinstance(value, list | tuple) or not value:
        raise ParameterError("expected a text, or a list of at least one token id")
    if len(value) > MOST:
        raise InputTooLong(f"the beginning has {len(value):,} tokens, at most {MOST:,} are read")
    for place, token in enumerate(value):
        if isinstance(token, bool) or not isinstance(token, int) or token < 0:
            raise ParameterError(f"expected a token id, got {repr(token)[:60]}", field=str(place))
    return tuple(value)


Prefix = Annotated[
    str | tuple[int, ...] | None,
    BeforeValidator(check_prefix),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "minLength": 1},
                {"type": "array", "minItems": 1, "maxItems": MOST, "items": {"type": "integer", "minimum": 0}},
                {"type": "null"},
            ]
        }
    ),
]


def prefix_ids(
    prefix: str | Sequence[int] | None,
    target: str | None,
    encode: Callable[[str], Sequence[int]],
    vocabulary: int,
    ends: Sequence[int] = (),
    never: Sequence[int] = (),
) -> list[int]:
    """The ids that an output begins with; none, where nothing is given.

    Args:
        target: the whole output, where that is given.
        encode: a text's ids, as they stand in an output, without an end token.
        vocabulary: ids are under it.
        ends: tokens that end an output: only the last of a prefix may be one.
        never: tokens that no output has.

    Raises:
        ParameterError: an id is none of the model's, or can stand only elsewhere; or an output is given whole.
    """
    if prefix is None:
        return []
    if target is not None:
        raise ParameterError("the output is given whole, as target: leave its beginning out", field=FIELD)
    if isinstance(prefix, str):
        ids = list(encode(prefix))
        if not ids:
            raise ParameterError("the beginning has no token: leave it out", field=FIELD)
        return ids
    ids = list(prefix)
    for place, token in enumerate(ids):
        if token >= vocabulary or token in never:
            raise ParameterError(
                f"there is no token {token:,} in an output: the vocabulary has {vocabulary:,}",
                field=f"{FIELD}.{place}",
            )
        if token in ends and place < len(ids) - 1:
            raise ParameterError(f"token {token} ends the output: nothing follows it", field=f"{FIELD}.{place}")
    return ids


def check_room(ids: Sequence[int], room: int | None) -> None:
    """Refuse a beginning that leaves no room for a token after it.

    Raises:
        InputTooLong: it does.
    """
    if ids and room is not None and len(ids) >= room:
        raise InputTooLong(
            f"the beginning has {len(ids):,} tokens, and the output has room for {room:,}: shorten it", field=FIELD
        )
