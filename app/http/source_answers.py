"""Answers about the sources of an answer, for the OpenAPI description."""

from typing import Literal

from pydantic import Field

from heedmap.app.http.answers import Answer, Pair, Row


class Checked(Answer):
    """The answer's log-probability with and without a span, in nats."""

    before: float
    after: float


class SourceSpan(Answer):
    """A passage or a sentence, and what it has to do with the answer."""

    passage: int = Field(description="Which passage it is in, or is.")
    characters: Pair = Field(description="Half open, in that passage.")
    text: str
    tokens: Pair = Field(description="Half open, on the axis of the trace; [0, 0] where it has none of its own.")
    scores: dict[str, float] = Field(description="By method; over 0 it speaks for the answer.")
    checked: Checked | None = Field(description="Where it was really taken away.")


class Fit(Answer):
    """What was fitted to the ablations."""

    r2: float | None = Field(description="The variance explained of ablations that it was not fitted to, 1 at best.")
    penalty: float
    bias: float
    used: int = Field(description="How many weights are not 0.")


class MethodAnswer(Answer):
    """How good a method's scores are here."""

    top: list[int] = Field(description="The spans of the largest scores, the largest first: those that were checked.")
    agreement: float | None = Field(
        description="Over ablations that nothing was fitted to: Spearman's correlation of the summed scores of what "
        "was kept with what came of it; null where there are none."
    )
    fit: Fit | None = None
    head_weights: list[Row] | None = Field(None, description="attention: of each layer a weight for each head.")


class AblationsAnswer(Answer):
    """The random subsets."""

    fitted: int
    held_out: int
    kept: float = Field(description="The chance of a span to be in one.")


class SourcesAnswer(Answer):
    """Which parts of a context an answer used."""

    model: str
    task: Literal["text-generation", "question-answering"]
    question: str
    answer: str
    generated: bool = Field(description="Whether the model wrote it, since none was given.")
    log_probability: float = Field(description="Of the answer, in nats; of question answering start plus end.")
    tokens: int = Field(description="Read before the answer.")
    removal: Literal["cut", "text"]
    ablations: AblationsAnswer
    passes: int
    methods: dict[str, MethodAnswer]
    spans: list[SourceSpan]
