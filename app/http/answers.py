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


class MeasureAnswer(Answer):
    """A measure, as it declares itself."""

    name: str
    kind: Literal["cell", "head", "trace"] = Field(description="What has a value of it.")
    description: str
    formula: str
    source: str
    range: str
    signed: bool = Field(description="Whether values may be negative: their colours diverge around zero.")
    cost: str
    where: str = Field(description="What a trace needs to have.")
    example: str = Field(description="A question that it answers.")
    encoding: str | None = Field(None, description="Of cells: the one-byte code of its tiles.")
    statistic: str | None = Field(None, description="Of heads: its name in a trace's heads.")


class MeasureList(Answer):
    """All measures."""

    measures: list[MeasureAnswer]


class RelevanceAnswer(Answer):
    """Rows of a measure of a trace, on all keys."""

    site: str
    measure: str
    rows: Pair
    cols: Pair
    values: list[Row]


class AlignedPair(Answer):
    """The word alignment of a pair."""

    pharaoh: str = Field(description='Links of words by their places from 0, source first: "0-0 1-2".')
    source: list[str] = Field(description="The words of the source.")
    target: list[str] = Field(description="The words of the target.")
    scores: list[float] = Field(description="The weight that each link has, in the order of the links.")
    layer: int | Literal["mean"] = Field(description="Where in the cross site this was read.")
    head: int | Literal["mean"]
    reading: Literal["output", "input"] = Field(
        description="The row of a target token: that which writes it, or that which reads it as the next input."
    )


class AlignAnswer(Answer):
    """The alignments of a list of pairs, in its order."""

    model: str
    reverse: str | None = Field(description="The model of the other direction, where links were joined.")
    symmetrise: Literal["intersection", "union", "grow-diag-final"] | None
    alignments: list[AlignedPair | Refusal]


class OperatorAnswer(Answer):
    """Attention over the caller's arrays; a row that sees no key has lse null."""

    output: Weights
    lse: list[float | None] | list[list[float | None]] | list[list[list[float | None]]]
    weights: Weights | list[list[list[Row]]] | None = None
    shape: list[int]
    kernel: str


class JobProgress(Answer):
    """How far a job is."""

    done: int
    of: int = Field(description="0 until it is known.")
    what: str


class JobAnswer(Answer):
    """A job."""

    id: str
    kind: str
    state: Literal["queued", "running", "done", "failed", "cancelled"]
    progress: JobProgress
    created_at: datetime
    expires_at: datetime
    result: Any = Field(None, description="Where it is done; what it holds depends on the kind.")
    error: dict[str, Any] | None = Field(None, description="The problem that it failed or was cancelled by.")


class JobKind(Answer):
    """A kind of job."""

    name: str
    description: str
    cost: str
    request: dict[str, Any] = Field(description="The JSON schema of its request.")


class JobList(Answer):
    """The caller's jobs, and what kinds there are."""

    jobs: list[JobAnswer]
    kinds: list[JobKind]


class AxisMatch(Answer):
    """Which positions of two axes stand for the same."""

    axes: list[str] = Field(description="The name of each.")
    by: Literal["ids", "labels", "position"]
    equal: list[list[int]] = Field(description="Runs of equal tokens: [first, second, length].")
    substituted: list[list[int]] = Field(description="Runs in between, as long on both axes, of other tokens.")
    unmatched: list[list[Pair]] = Field(description="Half-open ranges without a partner, of each axis.")


class ComparedRow(Answer):
    """A row of one head, and its partner."""

    row: int
    other: int
    label: str
    divergence: float


class LayerHead(Answer):
    """A head."""

    layer: int
    head: int


class ComparedHead(LayerHead):
    """A head, and how far it is from the other."""

    other: LayerHead
    divergence: float = Field(description="Jensen-Shannon, nats, 0 to log 2: the mean over the rows.")
    rows: list[ComparedRow] = Field(description="Those that differ most.")


class Difference(Answer):
    """The second map less the first."""

    rows: Pair
    cols: Pair
    level: int
    how: Literal["mean", "max"]
    values: list[list[float | None]] = Field(description="null where nothing visible has a partner.")


class ComparisonAnswer(Answer):
    """Two traces compared."""

    traces: list[str]
    site: str
    queries: AxisMatch
    keys: AxisMatch
    rows_compared: int = Field(description="All that match, or of long maps a sample, spread evenly.")
    heads: list[ComparedHead] = Field(description="Those that differ most first.")
    difference: Difference | None = Field(None, description="Where a layer and a head were named.")
