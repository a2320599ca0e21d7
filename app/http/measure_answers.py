"""Answers about traces, measured, aligned and compared, for the OpenAPI description."""

from typing import Literal

from pydantic import Field

from heedmap.app.http.answers import Answer, Pair, Refusal, Row


class DefinedAt(Answer):
    """Whether a measure is defined at a site of a trace."""

    site: str
    lacks: str | None = Field(description="What the site lacks, in a sentence; null where the measure is defined.")
    objective: bool = Field(description="Whether it is an objective that it lacks.")


class MeasureAnswer(Answer):
    """A measure, as it declares itself."""

    name: str
    kind: Literal["cell", "head", "trace", "token"] = Field(description="What has a value of it.")
    description: str
    formula: str
    source: str
    range: str
    signed: bool = Field(description="Whether values may be negative: their colours diverge around zero.")
    objective: bool = Field(description="Whether it is of an objective, which a trace then needs to have.")
    cost: str
    where: str = Field(description="What a trace needs to have.")
    example: str = Field(description="A question that it answers.")
    encoding: str | None = Field(None, description="Of cells: the one-byte code of its tiles.")
    statistic: str | None = Field(None, description="Of heads: its name in a trace's heads.")
    sites: list[DefinedAt] | None = Field(
        None, description="Where a trace is named, of measures of cells and of traces: where in it they are defined."
    )


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
