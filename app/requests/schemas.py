"""Requests and responses as pydantic models; arrays pass through untouched, as what they were read as."""

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    field_validator,
)

from heedmap.app.requests.inputs import SCHEMA, OneInput, check_inputs, check_text, kind
from heedmap.app.settings import MAPS_PER_REQUEST
from heedmap.model.contract import Objective, Parameters, Typed
from heedmap.model.edits import Edits, Patch
from heedmap.model.errors import ParameterError

Head = int | Literal["mean", "max", "all"]
REDUCED = ("mean", "max", "all")  # what stands for several heads
ECHOED = 60  # characters of a value that an error sends back


def check_target(value: Any) -> str | list[str | None] | None:
    """A text, or with a list of inputs a list of texts and nulls."""
    if value is None:
        return None
    if isinstance(value, list):
        return [None if item is None else check_text(item, str(index)) for index, item in enumerate(value)]
    return check_text(value)


def check_head(value: Any) -> Head:
    """An integer, mean, max or all."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    if whole or (isinstance(value, str) and value in REDUCED):
        return value  # type: ignore[no-any-return]
    said = repr(value[:ECHOED]) if isinstance(value, str) else repr(value) if isinstance(value, float) else kind(value)
    raise ParameterError(f"expected a whole number, mean, max or all, got {said}")


def parse_head(text: str) -> Head:
    """A head as an address has it.

    Raises:
        ParameterError: it is neither a number nor mean, max or all.
    """
    if text in REDUCED:
        return text  # type: ignore[return-value]
    try:
        return int(text)
    except ValueError:
        raise ParameterError(f"expected a number, mean, max or all, got {text[:ECHOED]!r}", field="head") from None


HeadName = Annotated[Head, BeforeValidator(check_head)]


class Strict(Typed):
    """Unknown fields are errors, and so are values of another type."""

    model_config = ConfigDict(extra="forbid")


class MapWanted(Strict):
    """A map to answer with."""

    site: str = Field(examples=["cross"])
    layer: int = Field(-1, description="From 0; negatives count from the end.")
    head: HeadName = Field("all", description="From 0, negatives from the end; or mean, max, all.")
    visible: bool = Field(
        False,
        description="Whether to say which cells the mask leaves visible: `visible`, booleans of shape (queries, keys), "
        "the same for every head. The weights of the others are 0.",
    )


class InputRequest(Strict):
    """An input to a model."""

    model: str | None = Field(None, description="Optional when one model is served.")
    inputs: Annotated[
        OneInput | list[OneInput],
        BeforeValidator(check_inputs),
        Field(
            examples=["Wo ist der Bahnhof?"],
            description="A text, or an object with what the model's task reads, files as base64; for predictions also "
            "a list of them, one batch.",
        ),
        WithJsonSchema(SCHEMA),
    ]
    target: Annotated[
        str | list[str | None] | None,
        BeforeValidator(check_target),
        Field(description="A given output to score instead of generating one; a list where inputs is a list."),
    ] = None
    parameters: Parameters = Parameters()
    edits: Edits = Field((), description="What to change in the attention of the passes, or in the input.")


class TraceRequest(InputRequest):
    """An input to a model, and what the gradients of its trace are of."""

    objective: Objective | None = Field(
        None, description="What to differentiate: each layer's trace then holds the gradient at its attention's output."
    )


class PredictRequest(InputRequest):
    """An input to a model, and the maps to answer with."""

    attention: list[MapWanted] = Field(default=[], max_length=MAPS_PER_REQUEST)
    stream: bool = Field(False, description="Server-sent events, token by token, with a trace's id at the end.")

    @field_validator("edits")
    @classmethod
    def _without_patches(cls, edits: tuple[Any, ...]) -> tuple[Any, ...]:
        for place, edit in enumerate(edits):
            if isinstance(edit, Patch):
                raise ParameterError("a trace can be patched, a prediction cannot: POST /v1/traces", field=str(place))
        return edits


def check_mask(value: Any) -> Any:
    """A mask by name, or its description, or a matrix that goes to numpy unseen."""
    if isinstance(value, str):
        value = {"kind": value}
    if isinstance(value, dict):
        return MaskWanted.model_validate(value)
    if isinstance(value, list):
        return value
    raise ParameterError(f"expected none, causal, an object with a kind or a boolean matrix, got {kind(value)}")


def check_lengths(value: Any) -> Any:
    """The first of many that is no number, instead of an error for each."""
    wrong = (
        (index for index, item in enumerate(value) if type(item) is not int) if isinstance(value, list) else iter(())
    )
    for index in wrong:
        raise ParameterError(f"expected a number, got {kind(value[index])}", field=str(index))
    return value


class MaskWanted(Strict):
    """A mask by its kind."""

    kind: Literal["none", "causal", "sliding_window", "padding"]
    size: Annotated[int, Field(ge=1)] | None = Field(None, description="sliding_window: keys less than so many away.")
    length: Annotated[int | list[int] | None, BeforeValidator(check_lengths)] = Field(
        None, description="padding: visible keys, one number or one a sequence."
    )

    @staticmethod
    def _complete(mask: "MaskWanted") -> "MaskWanted":
        needed = {"sliding_window": "size", "padding": "length"}.get(mask.kind)
        for name in ("size", "length"):
            present = getattr(mask, name) is not None
            if present != (name == needed):
                word = "needs" if name == needed else "takes no"
                raise ParameterError(f"a mask of kind {mask.kind} {word} {name}", field=name)
        return mask


Array = Annotated[
    Any, WithJsonSchema({"type": "array", "items": {}, "description": "Nested lists of numbers, one depth throughout."})
]


class AttentionRequest(Strict):
    """The bare operator on arrays of one's own: (queries, width), or with a leading axis of sequences."""

    queries: Array = Field(validation_alias=AliasChoices("queries", "q"), examples=[[[1.0, 0.0], [0.0, 1.0]]])
    keys: Array | None = Field(None, validation_alias=AliasChoices("keys", "k"), description="Default: the queries.")
    values: Array | None = Field(None, validation_alias=AliasChoices("values", "v"), description="Default: the keys.")
    score: Literal["dot", "scaled_dot", "additive", "general"] = "scaled_dot"
    scale: float | None = Field(
        None, gt=0, allow_inf_nan=False, description="scaled_dot: 1/sqrt(head size) unless given."
    )
    matrix: Array | None = Field(None, description="general: (query width, key width).")
    query_matrix: Array | None = Field(
        None, description="additive: (width, query width); none leaves queries as they are."
    )
    key_matrix: Array | None = Field(None, description="additive: (width, key width); none leaves keys as they are.")
    vector: Array | None = Field(None, description="additive: one number per component of a head.")
    heads: Annotated[int, Field(ge=1, le=1024)] | None = Field(None, description="Splits the queries' width.")
    kv_heads: Annotated[int, Field(ge=1, le=1024)] | None = Field(None, description="Heads of keys and values.")
    mask: Annotated[
        Any,
        Field(validate_default=True),
        BeforeValidator(check_mask),
        AfterValidator(lambda mask: MaskWanted._complete(mask) if isinstance(mask, MaskWanted) else mask),
        WithJsonSchema(
            {
                "anyOf": [
                    {"enum": ["none", "causal"]},
                    MaskWanted.model_json_schema(),
                    {"type": "array", "items": {"type": "array", "items": {"type": "boolean"}}},
                ]
            }
        ),
    ] = "none"
    return_weights: bool = Field(True, description="Whether the answer holds the weights too.")


class ProblemField(BaseModel):
    """A field at fault."""

    path: str
    detail: str


class ProblemDetails(BaseModel):
    """RFC 9457 problem details."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[ProblemField] | None = None
    request_id: str = Field(description="Names the request in the service's log, as X-Request-ID does.")
