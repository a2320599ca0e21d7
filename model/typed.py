"""Pydantic models that convert nothing: a text is no number, and a number no flag."""

from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, field_validator

from heedmap.model.errors import ParameterError


class Typed(BaseModel):
    """Fields that take what their type says, and no text for a number, number for a flag or flag for a number."""

    @field_validator("*", mode="before")
    @classmethod
    def _check_type(cls, value: Any, info: Any) -> Any:
        """Find a value that only a conversion would make right; 3.0 is a whole number, as in JSON Schema."""
        declared = _scalars(cls.model_fields[info.field_name].annotation)
        wrong = isinstance(value, str | int | float) and declared and not any(_is_a(value, kind) for kind in declared)
        if wrong:
            names = " or ".join(dict.fromkeys(WORDS[kind] for kind in declared))
            raise ParameterError(f"expected {names}, got {repr(value)[:60]}")
        return value


WORDS: dict[type, str] = {str: "text", bool: "true or false", int: "a whole number", float: "a number"}


def _scalars(annotation: Any) -> tuple[type, ...]:
    """The scalar types that an annotation allows; none where it allows anything."""
    if annotation in WORDS:
        return (annotation,)
    if get_origin(annotation) is Literal:
        return tuple(dict.fromkeys(type(choice) for choice in get_args(annotation)))
    if get_origin(annotation) in (Union, UnionType, Annotated):
        return tuple(kind for part in get_args(annotation) for kind in _scalars(part))
    return ()


def _is_a(value: Any, kind: type) -> bool:
    """Whether a value is of a type as JSON has them: a number is no flag, and 3.0 is a whole number."""
    if isinstance(value, bool | str) or kind in (bool, str):
        return type(value) is kind
    return kind is float or isinstance(value, int) or (isinstance(value, float) and value.is_integer())
