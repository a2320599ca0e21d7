"""The request of a simultaneous translation: the words so far, and what is committed of their translation."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

from heedmap.app.requests.inputs import check_text
from heedmap.app.requests.schemas import Strict
from heedmap.model.errors import EmptyInput, ParameterError
from heedmap.model.objective import is_whole
from heedmap.model.prefix import MOST
from heedmap.model.simultaneous import AlignAtt, Policy


def check_words(value: Any) -> str:
    """A text with a word in it."""
    if not check_text(value).strip():
        raise EmptyInput("there is no word yet; ask when one has come in")
    return str(value)


def check_committed(value: Any) -> str | tuple[int, ...]:
    """A text, or ids; nothing at all is both."""
    if isinstance(value, str):
        return check_text(value)
    if not isinstance(value, list | tuple):
        raise ParameterError("expected what was committed: a text, or a list of token ids")
    if len(value) > MOST:
        raise ParameterError(f"{len(value):,} tokens, at most {MOST:,} are read")
    for place, token in enumerate(value):
        if not is_whole(token) or token < 0:
            raise ParameterError(f"expected a token id, got {repr(token)[:60]}", field=str(place))
    return tuple(value)


class SimultaneousRequest(Strict):
    """A source as far as it has come in."""

    model: str | None = Field(None, description="One of our own translation models; optional when one model is served.")
    inputs: Annotated[str, BeforeValidator(check_words), WithJsonSchema({"type": "string", "minLength": 1})] = Field(
        description="The words so far; the last one is taken for whole.", examples=["Ich habe gestern ein"]
    )
    committed: Annotated[
        str | tuple[int, ...],
        BeforeValidator(check_committed),
        WithJsonSchema(
            {
                "anyOf": [
                    {"type": "string"},
                    {"type": "array", "maxItems": MOST, "items": {"type": "integer", "minimum": 0}},
                ]
            }
        ),
    ] = Field((), description="What the last answer committed: its ids, or its text. Nothing, at the beginning.")
    final: bool = Field(False, description="Whether the source is complete: then all of the translation is committed.")
    policy: Policy = Field(AlignAtt(), description="What decides whether a token is committed.")
