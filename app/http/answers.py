"""Answers as pydantic models, for the OpenAPI description: routes write their JSON themselves, straight from numpy."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from heedmap.app.requests.schemas import Head, ProblemDetails

Pair = Annotated[list[int], Field(min_length=2, max_length=2)]
Times = Annotated[list[float], Field(min_length=2, max_length=2)]
Box = Annotated[list[float], Field(min_length=4, max_length=4)]
Row = list[float]
Weights = list[Row] | list[list[Row]]


class Answer(BaseModel):
    """What has these fields and no others."""

    model_config = ConfigDict(extra="forbid")


class Health(Answer):
    """The workers live."""

    status: Literal["ok"]


class Readiness(Answer):
    """A prediction would be answered now, by these models."""

    status: Literal["ready"]
    models: list[str]


class ModelDescription(BaseModel):
    """A model; what else it says of itself depends on its task."""

    name: str
    source: str
    state: Literal["loaded", "loading", "unloaded", "failed"]
    error: str | None = Field(None, description="Why it could not be loaded.")
    task: str | None = None
    revision: str | None = None
    sites: list[dict[str, Any]] | None = None
    examples: list[Any] = Field(description="Inputs to begin with; files as base64.")
    card: str | None = Field(None, description="What its card says, in Markdown; where one model is asked for.")


class ModelCard(Answer):
    """A model as OpenAI's protocol lists it."""

    id: str
    object: Literal["model"]
    created: int = Field(description="Seconds since 1970 at which the service was started.")
    owned_by: str


class ModelList(Answer):
    """All models; `object` and `data` are for clients of OpenAI's protocol."""

    models: list[ModelDescription]
    object: Literal["list"]
    data: list[ModelCard]


class AxisAnswer(Answer):
    """What queries or keys stand for, one entry each; what does not apply is left out."""

    kind: Literal["text", "image", "audio", "mixed"]
    labels: list[str]
    ids: list[int] = Field(description="Token ids, -1 where there is none.")
    spans: list[Pair] = Field(description="The half-open range of characters that a token covers.")
    special: list[bool]
    segments: list[int] | None = None
    boxes: list[Box | None] | None = None
    size: Pair | None = None
    seconds: list[Times] | None = None
    duration: float | None = None


class PredictedMap(Answer):
    """A map that a prediction was asked for."""

    site: str
    layer: int
    head: Head
    shape: Pair
    queries: str = Field(description="The name of the axis.")
    keys: str = Field(description="The name of the axis.")
    weights: Weights
    visible: list[list[bool]] | None = Field(None, description="Where the mask lets queries see keys; where asked for.")


class PredictionAnswer(Answer):
    """One input's answer; `prediction` is in the shape of the task."""

    model: str
    task: str
    prediction: Any
    axes: dict[str, AxisAnswer]
    attention: list[PredictedMap] | None = None


class Refusal(Answer):
    """What one input of a list was refused by."""

    error: ProblemDetails


class PredictionList(Answer):
    """The answers to a list of inputs, in its order."""

    results: list[PredictionAnswer | Refusal]


class SiteAnswer(Answer):
    """A site of a trace."""

    name: str
    layers: int
    heads: int
    kv_heads: int
    queries: str
    keys: str
    shape: Pair
    levels: int
    mask: str


class CertificateAnswer(Answer):
    """How exact the maps are."""

    max_error: float | None
    relative_error: float | None
    rows_checked: int
    kernel: str
    dtype: str
    tolerance: float | None
    warning: str | None
    versions: dict[str, str]
    errors: dict[str, list[Row | None]]


class TraceSummary(Answer):
    """A trace."""

    id: str
    model: str
    task: str
    prediction: Any
    axes: dict[str, AxisAnswer]
    sites: list[SiteAnswer]
    certificate: CertificateAnswer
    objective: dict[str, Any] | None = Field(None, description="What its gradients are of, and its value.")
    edits: list[dict[str, Any]] | None = Field(None, description="What was changed in its pass.")
    request: dict[str, Any] | None = Field(None, description="What it was asked by, files left out.")
    encodings: dict[str, dict[str, float]]
    tiles: dict[str, Any]
    bytes: int = Field(description="Of its file; of its tensors until that is whole.")
    durable: bool = Field(description="Whether its file is whole: it then outlives the service.")
    created_at: datetime
    expires_at: datetime


class MapWindow(Answer):
    """A window of a map."""

    site: str
    layer: int
    head: Head
    measure: str
    rows: Pair
    cols: Pair
    weights: Weights
    visible: list[list[bool]] | None = Field(None, description="Where the mask lets queries see keys; where asked for.")


class OperatorAnswer(Answer):
    """Attention over the caller's arrays; a row that sees no key has lse null."""

    output: Weights
    lse: list[float | None] | list[list[float | None]] | list[list[list[float | None]]]
    weights: Weights | list[list[list[Row]]] | None = None
    shape: list[int]
    kernel: str
