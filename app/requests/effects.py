"""The request of effects: which edits of a trace, and whether to measure them."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from heedmap.app.requests.inputs import OneInput, check_input, kind
from heedmap.app.requests.schemas import Strict
from heedmap.model.contract import AnyEdit, Objective
from heedmap.model.edits import SCHEMA, check_edits
from heedmap.model.errors import ParameterError

MOST_LISTED = 1024  # edits of one request, each with an effect of its own
MOST_EDGES = 4096  # that are found at once: a page of JSON
MOST_PREDICTED = 16  # new outputs of one request: each is written token by token
NAMED = ("heads", "edges")
LIST = {"type": "array", "minItems": 1, "maxItems": MOST_LISTED, "items": SCHEMA}


def check_wanted(value: Any) -> str | tuple[AnyEdit, ...]:
    """heads, edges, or a list of edits."""
    if isinstance(value, str) and value in NAMED:
        return value
    if not isinstance(value, list):
        said = repr(value[:60]) if isinstance(value, str) else kind(value)
        raise ParameterError(f'expected "heads", "edges" or a list of edits, got {said}')
    if not value:
        raise ParameterError('the list of edits is empty; give at least one, or "heads"')
    if len(value) > MOST_LISTED:
        raise ParameterError(f"{len(value):,} edits in one request, at most {MOST_LISTED:,} are taken; send several")
    return check_edits(value)


def check_again(value: Any) -> OneInput | None:
    """An input, or none."""
    return None if value is None else check_input(value, "")


class EffectsRequest(Strict):
    """Edits of a trace whose effects on its objective are wanted: the objective with the edit minus without."""

    edits: Annotated[
        Literal["heads", "edges"] | tuple[AnyEdit, ...],
        BeforeValidator(check_wanted),
        WithJsonSchema(
            {
                "anyOf": [
                    {"enum": list(NAMED)},
                    {"type": "array", "minItems": 1, "maxItems": MOST_LISTED, "items": SCHEMA},
                ]
            }
        ),
    ] = Field(
        "heads",
        description="heads: every head silenced, one at a time. edges: the cuts of a site that are estimated to do "
        "most. Or edits as a trace takes them, each by itself and beside those that the trace has.",
    )
    how: Literal["zero", "uniform"] = Field("zero", description="heads: how each is silenced.")
    site: str | None = Field(
        None, max_length=60, description="edges: of which site; heads: of this one alone.", examples=["cross"]
    )
    top: int = Field(20, ge=1, le=MOST_EDGES, description="edges: how many.")
    mass: Literal["renormalise", "drop"] = Field("renormalise", description="edges: what becomes of the cut weight.")
    measured: bool = Field(False, description="Whether to measure each by a pass, too.")
    predict: bool = Field(
        False, description=f"Of at most {MOST_PREDICTED} listed edits: what the model answers under each, written anew."
    )
    objective: Objective | None = Field(None, description="That of the trace; it may be left out.")
    inputs: Annotated[OneInput | None, BeforeValidator(check_again)] = Field(
        None, description="To measure a trace of a picture or a recording: the same input again; traces keep no files."
    )

    @model_validator(mode="after")
    def _together(self) -> "EffectsRequest":
        if self.edits == "edges" and self.site is None:
            raise ParameterError('edges are those of one site: name it, as in "site": "cross"', field="site")
        if self.predict and isinstance(self.edits, str):
            raise ParameterError("predictions are of listed edits: list some, or leave predict out", field="predict")
        if self.predict and len(self.edits) > MOST_PREDICTED:
            raise ParameterError(
                f"{len(self.edits)} outputs would be written, at most {MOST_PREDICTED} are at once: list fewer edits",
                field="predict",
            )
        return self
