"""Answers of simultaneous translation, for the OpenAPI description."""

from typing import Literal

from pydantic import Field

from heedmap.app.http.answers import Answer, Pair
from heedmap.model.simultaneous import Policy, Reason


class SourceWordAnswer(Answer):
    """A word of the source."""

    text: str
    span: Pair = Field(description="Its characters in the input.")


class DecisionAnswer(Answer):
    """What became of a token after what was committed before."""

    token: str
    id: int
    span: Pair = Field(description="Its characters in the draft; none, of an end token.")
    word: int = Field(description="Which word of the output it is in, from 0.")
    position: int | None = Field(
        description="The source word that it looks at most, from 0; null: the end mark after them."
    )
    weight: float | None = Field(description="How much it does; null of a last token, which nothing has read yet.")
    committed: bool
    why: Reason = Field(
        description="seen: it looks at a word before the last f. late: at one of those, or at the end mark. due, "
        "early: wait-k has read enough for its word, or not. end: the output would end. word: its word is not whole, "
        "or waits. complete: so is the source."
    )


class HeadAnswer(Answer):
    """The cross head that the policy reads."""

    layer: int
    head: int
    reading: Literal["output", "input"] = Field(
        description="The row of a token: that which writes it, or that which reads it as the next input."
    )


class SimultaneousAnswer(Answer):
    """What is committed by now."""

    model: str
    policy: Policy
    committed: list[int] = Field(description="The ids of all that is committed; the next request gives them back.")
    text: str = Field(description="What they say.")
    draft: str = Field(description="The same, and what is held back.")
    finished: bool = Field(description="Whether source and output are complete.")
    source: list[SourceWordAnswer]
    decisions: list[DecisionAnswer] = Field(description="On each token after what was committed before, in order.")
    head: HeadAnswer | None = Field(description="The one that was taught to align; null: the mean of all.")
