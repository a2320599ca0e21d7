"""The request of a word alignment."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from heedmap.app.requests.inputs import check_text, kind
from heedmap.app.requests.schemas import Strict, check_head
from heedmap.app.settings import BATCH_INPUTS
from heedmap.model.contract import Parameters
from heedmap.model.errors import ParameterError


def check_pairs(value: Any) -> list[tuple[str, str]]:
    """A list of pairs of texts; emptiness is the model's to judge, pair by pair."""
    if not isinstance(value, list):
        raise ParameterError(f"expected a list of pairs [source, target], got {kind(value)}")
    if not value:
        raise ParameterError("the list of pairs is empty; give at least one [source, target]")
    if len(value) > BATCH_INPUTS:
        raise ParameterError(f"{len(value)} pairs in one request, at most {BATCH_INPUTS} are taken; send several")
    for index, pair in enumerate(value):
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            said = f"a list of {len(pair)}" if isinstance(pair, list | tuple) else kind(pair)
            raise ParameterError(f"expected a pair [source, target], got {said}", field=str(index))
    return [
        (check_text(source, f"{index}.0"), check_text(target, f"{index}.1"))
        for index, (source, target) in enumerate(value)
    ]


def check_align_head(value: Any) -> int | str | None:
    """An integer or mean."""
    if value is None or check_head(value) not in ("max", "all"):
        return value  # type: ignore[no-any-return]
    raise ParameterError(f"an alignment is read from one head or from their mean, not from {value}")


class AlignRequest(Strict):
    """Pairs of texts whose words are to be aligned, one batch."""

    model: str | None = Field(None, description="A translation model; optional when one model is served.")
    pairs: Annotated[
        list[tuple[str, str]],
        BeforeValidator(check_pairs),
        Field(description="Source and target of each.", examples=[[["Wo ist der Bahnhof?", "Where is the station?"]]]),
        WithJsonSchema(
            {
                "type": "array",
                "minItems": 1,
                "maxItems": BATCH_INPUTS,
                "items": {"type": "array", "items": {"type": "string"}, "minItems": 2, "maxItems": 2},
            }
        ),
    ]
    symmetrise: Literal["intersection", "union", "grow-diag-final"] | None = Field(
        None, description="Join the links of both directions; takes a second model, which translates back."
    )
    reverse: str | None = Field(
        None, description="The model that translates back; by default the served one of the languages exchanged."
    )
    reading: Literal["output", "input"] | None = Field(
        None,
        description="Which of its two rows a target token is aligned in: that which writes it, or that which reads it "
        "as the next input. By default that of the head that was taught to align, else output.",
    )
    layer: int | None = Field(
        None, description="Of the cross site. With neither layer nor head: the head that was taught to align; else all."
    )
    head: Annotated[int | Literal["mean"] | None, BeforeValidator(check_align_head)] = Field(
        None, description="From 0, negatives from the end, or mean, which it is where a layer alone is named."
    )
    parameters: Parameters = Field(
        Parameters(), description="Languages of a multilingual model; what is about generating changes nothing."
    )
