"""Edits: changes to the attention of one pass, or to a token of its input, as a request names them.

    silence   a head's output is zero, its mean over a corpus, or the plain mean of the values that it sees
    temper    a head's scores are divided by a temperature
    cut       queries may not see keys: the softmax goes over what is left, or the weight's mass is dropped
    patch     a head's output or weights are those of another trace
    replace   a token of the input is another

Softmax hands the mass of a cut on to the other keys; so both ways are there, and their difference is that mass.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, ValidationError, WithJsonSchema, model_validator

from heedmap.model.errors import ParameterError
from heedmap.model.objective import check_name, is_whole
from heedmap.model.typed import Typed

MOST_EDITS = 4096  # of one pass: a layer x head picture of any model that is served, each head by itself
MOST_TEXTS = 256  # of all corpora: each is a pass of its own before the one that was asked for
END = 1 << 40  # beyond any sequence: where a span without an end stops

Span = tuple[int, int | None]


def _check_index(value: Any) -> Any:
    if value == "all" or is_whole(value):
        return value
    raise ParameterError(f"expected a whole number or all, got {repr(value)[:60]}")


def _check_part(value: Any) -> Any:
    """Positions along an axis: one, a half-open span whose end may be open, or all."""
    if value == "all" or (is_whole(value) and value >= 0):
        return value
    if isinstance(value, list | tuple) and len(value) == 2:
        start, stop = value
        if is_whole(start) and start >= 0 and (stop is None or (is_whole(stop) and stop > start)):
            return start, stop
    raise ParameterError(
        f"expected a position from 0, a span [start, stop] with 0 <= start < stop (null: to the end), or all, got "
        f"{repr(value)[:60]}"
    )


Index = Annotated[int | Literal["all"], BeforeValidator(_check_index)]
Part = Annotated[
    int | Span | Literal["all"],
    BeforeValidator(_check_part),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 0},
                {
                    "type": "array",
                    "prefixItems": [{"type": "integer", "minimum": 0}, {"type": ["integer", "null"]}],
                    "minItems": 2,
                    "maxItems": 2,
                },
                {"const": "all"},
            ]
        }
    ),
]


class Edit(Typed):
    """A change; unknown fields are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: str

    def to_json(self) -> dict[str, Any]:
        """The edit as the contract's JSON, with all that it goes by."""
        return {name: value for name, value in self.model_dump(mode="json").items() if value not in (None, [])}


class HeadEdit(Edit):
    """A change of heads of a layer."""

    site: str = Field(min_length=1, max_length=60, examples=["cross"])
    layer: Index = Field(description="From 0, negatives from the end, or all.")
    head: Index = Field(description="From 0, negatives from the end, or all.")


class Silence(HeadEdit):
    """A head says nothing, or the same everywhere."""

    kind: Literal["silence"]
    how: Literal["zero", "mean", "uniform"] = Field(
        "zero",
        description="zero: its output is 0. mean: it is the head's mean output over the corpus. uniform: each query "
        "sees all its keys alike.",
    )
    corpus: tuple[str, ...] = Field((), max_length=MOST_TEXTS, description="mean: inputs of the model, as texts.")

    @model_validator(mode="after")
    def _mean_of_texts(self) -> "Silence":
        if (self.how == "mean") != bool(self.corpus):
            word = "needs texts to take the mean over" if self.how == "mean" else "takes no corpus"
            raise ParameterError(f"silence by {self.how} {word}", field="corpus")
        return self


class Temper(HeadEdit):
    """A head's scores are divided: under 1 it is surer, over 1 more even."""

    kind: Literal["temper"]
    temperature: float = Field(ge=1e-3, le=1e6, allow_inf_nan=False)


class Cut(HeadEdit):
    """Queries may not see keys."""

    kind: Literal["cut"]
    layer: Index = Field("all", description="From 0, negatives from the end, or all.")
    head: Index = Field("all", description="From 0, negatives from the end, or all.")
    query: Part = Field("all", description="A position, a span [start, stop], or all.")
    key: Part = Field(description="A position, a span [start, stop], or all.")
    mass: Literal["renormalise", "drop"] = Field(
        "renormalise", description="Whether the other keys take over the weight, or it is dropped."
    )


class Patch(HeadEdit):
    """A head does what it did in another trace."""

    kind: Literal["patch"]
    trace: str = Field(min_length=1, max_length=100, description="The other trace's id.")
    what: Literal["output", "weights"] = "output"
    query: Part = Field("all", description="A position, a span [start, stop], or all.")


class Replace(Edit):
    """A token of the input is another."""

    kind: Literal["replace"]
    token: int = Field(ge=0, description="Its position among the input's tokens.")
    by: Annotated[int | str, BeforeValidator(check_name)] = Field(description="A word that is one token, or its id.")


AnyEdit = Silence | Temper | Cut | Patch | Replace
KINDS: Mapping[str, type[AnyEdit]] = {
    "silence": Silence,
    "temper": Temper,
    "cut": Cut,
    "patch": Patch,
    "replace": Replace,
}


def check_edits(value: Any) -> tuple[AnyEdit, ...]:
    """Edits as JSON has them, or as they are; an error names its place.

    Raises:
        ParameterError: one of them is none.
    """
    if not isinstance(value, list | tuple) or len(value) > MOST_EDITS:
        raise ParameterError(f"expected a list of at most {MOST_EDITS:,} edits, got {repr(value)[:60]}")
    edits = tuple(_checked(edit, str(index)) for index, edit in enumerate(value))
    if (texts := sum(map(len, corpora(edits)))) > MOST_TEXTS:
        last = next(at for at in reversed(range(len(edits))) if isinstance(edits[at], Silence))
        raise ParameterError(
            f"the corpora of all edits have {texts:,} texts, at most {MOST_TEXTS} are run: give all edits the same one",
            field=f"{last}.corpus",
        )
    return edits


def corpora(edits: Sequence["AnyEdit"]) -> list[tuple[str, ...]]:
    """The corpora that edits take means over, each once."""
    return list(dict.fromkeys(edit.corpus for edit in edits if isinstance(edit, Silence) and edit.corpus))


def _checked(value: Any, place: str) -> AnyEdit:
    if isinstance(value, Silence | Temper | Cut | Patch | Replace):
        return value
    kind = value.get("kind") if isinstance(value, dict) else None
    if not isinstance(kind, str) or kind not in KINDS:
        kinds = ", ".join(KINDS)
        raise ParameterError(f"expected an edit, an object with a kind: {kinds}", field=f"{place}.kind")
    try:
        return KINDS[kind].model_validate(value)
    except ValidationError as invalid:
        error = invalid.errors(include_url=False, include_input=False)[0]
        cause = error.get("ctx", {}).get("error")
        deeper = cause.field if isinstance(cause, ParameterError) else None
        field = ".".join([place, *map(str, error["loc"]), *([deeper] if deeper else [])])
        message = "unknown field" if error["type"] == "extra_forbidden" else str(cause or error["msg"])
        raise ParameterError(message, field=field) from None


SCHEMA = {"oneOf": [kind.model_json_schema() for kind in KINDS.values()]}
Edits = Annotated[
    tuple[AnyEdit, ...],
    BeforeValidator(check_edits),
    WithJsonSchema({"type": "array", "maxItems": MOST_EDITS, "items": SCHEMA}),
]


def interval(part: int | Span | str) -> tuple[int, int]:
    """The half-open span that a part stands for; END is beyond any end."""
    if isinstance(part, str):
        return 0, END
    if isinstance(part, int):
        return part, part + 1
    start, stop = part
    return start, END if stop is None else stop
