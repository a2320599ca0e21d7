"""Answers about effects of edits, for the OpenAPI description."""

from typing import Any, Literal

from pydantic import Field

from heedmap.app.http.answers import Answer


class EffectValue(Answer):
    """The objective without any further edit."""

    trace: float = Field(description="As the trace has it.")
    measured: float | None = Field(description="As the passes that measure have it; null where there were none.")


class Correlation(Answer):
    """How well estimates and measurements go together."""

    pearson: float | None = Field(description="null of fewer than three, or where one side is constant.")
    spearman: float | None
    pairs: int = Field(description="Of how many both are known.")


class SiteEffects(Answer):
    """A site's layers x heads."""

    name: str
    layers: int
    heads: int
    estimated: list[list[float | None]] = Field(description="null where it is not known.")
    measured: list[list[float | None]] | None


class HeadEffect(Answer):
    """A head."""

    site: str
    layer: int
    head: int
    estimated: float | None
    measured: float | None


class EditEffect(Answer):
    """An edit, and what it does to the objective: with it minus without."""

    edit: dict[str, Any]
    estimated: float | None = Field(description="To first order; null where that is not known.")
    reason: str | None = Field(description="Why there is no estimate.")
    measured: float | None
    prediction: Any = Field(None, description="What the model answers under it, or its error.")


class EffectsAnswer(Answer):
    """Effects of edits of a trace."""

    trace: str
    model: str
    objective: dict[str, Any]
    edits: Literal["heads", "edges", "listed"]
    value: EffectValue
    correlation: Correlation | None
    sites: list[SiteEffects] | None = Field(None, description="heads: a grid each.")
    ranking: list[HeadEffect] | None = Field(None, description="heads: those that matter most first.")
    effects: list[EditEffect] | None = Field(None, description="edges and listed edits: each in its order.")
